/** A decode step's hashing in one dispatch: the signature maps of every query head, and the newest key's signature.
 *  See hash-query.wgsl. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu, KernelVariant } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import {
  checkHashedCache,
  type HashedCacheArgs,
  hashedCacheBindings,
  hashedCacheUniforms,
} from '../shared/hashed-cache.ts';
import hashedKeysSource from '../shared/hashed-keys.wgsl?raw';
import { packWidths, type SignatureMap } from '../shared/signature-map.ts';
import mapSource from '../shared/signature-map.wgsl?raw';
import mapSerialSource from '../shared/signature-map-serial.wgsl?raw';
import stepSource from '../shared/step.wgsl?raw';
import source from './hash-query.wgsl?raw';
import serialSource from './hash-query-serial.wgsl?raw';
import subgroupSource from './hash-query-subgroup.wgsl?raw';
import queryMapsSource from './query-maps.wgsl?raw';

export interface HashQueryShape {
  readonly qHeads: number;
  /** Widest input or output among the maps to be run. */
  readonly width: number;
  /** The fastest this device runs, unless told; `subgroup` takes maps up to 128 wide. */
  readonly variant?: KernelVariant;
}

/** The newest key stands in the cache at step.position; beyond the capacity no signature is written. */
export interface HashQueryArgs extends HashedCacheArgs {
  /** f32 [qHeads, headDim], rotated. */
  readonly query: BufferSlice;
  readonly queryMap: SignatureMap;
  /** f32 [qHeads, bits], written: what each query head's map gives. */
  readonly mapped: BufferSlice;
}

export type HashQuery = (arena: Arena, args: HashQueryArgs) => Dispatch;

const declared = {
  bindings: {
    ...hashedCacheBindings,
    query: 'read',
    queryWeights: 'read',
    queryBiases: 'read',
    mapped: 'write',
  },
  uniforms: { ...hashedCacheUniforms, qHeads: 'u32' },
} as const;
const sources = [stepSource, mapSource, hashedKeysSource, queryMapsSource];

export const hashQueryKernels = {
  workgroup: defineKernel({
    name: 'hash-query',
    sources: [...sources, source],
    ...declared,
    constants: ['width'],
  }),
  subgroup: defineKernel({
    name: 'hash-query-subgroup',
    sources: ['enable subgroups;', ...sources, subgroupSource],
    ...declared,
    constants: ['octets'],
    features: ['subgroups'],
  }),
  serial: defineKernel({
    name: 'hash-query-serial',
    sources: [...sources, mapSerialSource, serialSource],
    ...declared,
  }),
};

export async function prepareHashQuery(gpu: Gpu, shape: HashQueryShape): Promise<HashQuery> {
  const { qHeads } = shape;
  const fits = shape.width <= 128;
  const variant = shape.variant ?? gpu.chooseVariant(fits ? ['serial', 'subgroup'] : ['serial']);
  const width = Math.ceil(shape.width / 8) * 8;
  invariant(width <= 256, `hash-query: maps are at most 256 wide, got ${shape.width}`);
  invariant(variant !== 'subgroup' || fits, `hash-query: too wide for subgroups: ${shape.width}`);
  const constants = {
    workgroup: { width },
    subgroup: { octets: 2 ** Math.max(0, Math.ceil(Math.log2(width / 32))) },
    serial: {},
  }[variant];
  const kernel = await prepareKernel(gpu, hashQueryKernels[variant], constants);
  return (arena, args) => {
    const { label, queryMap, keyMap, kvHeads, headDim, capacity } = args;
    const { bits, signaturesPerKey } = checkHashedCache(args, width, [queryMap]);
    invariant(
      queryMap.heads === qHeads,
      `${label}: prepared for ${qHeads} query heads, got ${queryMap.heads}`,
    );
    invariant(
      signaturesPerKey === 1 || keyMap.heads === qHeads,
      `${label}: key maps must be ${kvHeads} or ${qHeads}, got ${keyMap.heads}`,
    );
    expectBytes(`${label}: query`, args.query, qHeads * headDim * 4);
    expectBytes(`${label}: mapped`, args.mapped, qHeads * bits * 4);
    const weightBytes = (map: SignatureMap): number =>
      map.widths
        .slice(1)
        .reduce((sum, outputs, i) => sum + map.heads * outputs * (map.widths[i]! * 2 + 4), 0);
    return kernel.dispatch(arena, {
      label,
      bindings: {
        step: args.step,
        widths: { buffer: arena.uniform(`${label}.widths`, packWidths(queryMap.widths, keyMap.widths)) },
        query: args.query,
        keyCache: args.keyCache,
        queryWeights: queryMap.weights,
        queryBiases: queryMap.biases,
        keyWeights: keyMap.weights,
        keyBiases: keyMap.biases,
        mapped: args.mapped,
        signatures: args.signatures,
      },
      uniforms: { qHeads, signatureHeads: keyMap.heads, signaturesPerKey, headDim, bits, capacity },
      workgroups: [qHeads + keyMap.heads],
      bytes: weightBytes(queryMap) + weightBytes(keyMap) + qHeads * headDim * 4,
    });
  };
}
