/** A decode step's hashing in one dispatch: query maps to query planes, and the newest key's signature.
 *  See hash-query.wgsl. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import { checkSignatureMap, packWidths, type SignatureMap } from '../shared/signature-map.ts';
import mapSource from '../shared/signature-map.wgsl?raw';
import mapSerialSource from '../shared/signature-map-serial.wgsl?raw';
import stepSource from '../shared/step.wgsl?raw';
import source from './hash-query.wgsl?raw';
import serialSource from './hash-query-serial.wgsl?raw';
import planesSource from './query-planes.wgsl?raw';

/** What the planes of a list are made of.
 *  'asymmetric': the maps of `summed` query heads (1, or the whole group) are added and quantised to `queryBits`;
 *  plane b weighs 2^b. 'hamming': one plane of signs per query head, so that a list of a KV head has `group` of them
 *  and a list of a query head one, in the same memory. */
export type QueryScore =
  | { readonly kind: 'asymmetric'; readonly queryBits: number; readonly summed: number }
  | { readonly kind: 'hamming' };

export interface HashQueryShape {
  readonly score: QueryScore;
  readonly qHeads: number;
  /** Widest input or output among the maps to be run. */
  readonly width: number;
  /** The fastest this device runs, unless told. */
  readonly variant?: HashQueryVariant;
}

export interface HashQueryArgs {
  readonly label: string;
  /** Uniform `Step`: the newest key stands in the cache at step.position; beyond the capacity no signature is written. */
  readonly step: BufferSlice;
  /** f32 [qHeads, headDim], rotated. */
  readonly query: BufferSlice;
  /** Packed f16 [kvHeads, capacity, headDim], the newest key already in it. */
  readonly keyCache: BufferSlice;
  readonly queryMap: SignatureMap;
  /** Heads: kvHeads, or qHeads where every query head has signatures of its own. */
  readonly keyMap: SignatureMap;
  /** u32 [lists, planes, words]: [qHeads / summed, queryBits, words], or [qHeads, 1, words] for signs. */
  readonly planes: BufferSlice;
  /** u32 [keyMap.heads, capacity, words] */
  readonly signatures: BufferSlice;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly capacity: number;
}

export type HashQuery = (arena: Arena, args: HashQueryArgs) => Dispatch;
export type HashQueryVariant = 'workgroup' | 'serial';

const bindings = {
  step: 'uniform',
  widths: 'uniform',
  query: 'read',
  keyCache: 'read',
  queryWeights: 'read',
  queryBiases: 'read',
  keyWeights: 'read',
  keyBiases: 'read',
  planes: 'write',
  signatures: 'write',
} as const;
const uniforms = {
  units: 'u32',
  summed: 'u32',
  queryBits: 'u32',
  qHeads: 'u32',
  signatureHeads: 'u32',
  signaturesPerKey: 'u32',
  headDim: 'u32',
  bits: 'u32',
  capacity: 'u32',
} as const;

export const hashQueryKernels = {
  workgroup: defineKernel({
    name: 'hash-query',
    sources: [stepSource, mapSource, planesSource, source],
    bindings,
    uniforms,
    constants: ['width', 'together'],
  }),
  serial: defineKernel({
    name: 'hash-query-serial',
    sources: [stepSource, mapSource, mapSerialSource, planesSource, serialSource],
    bindings,
    uniforms,
  }),
};

export async function prepareHashQuery(gpu: Gpu, shape: HashQueryShape): Promise<HashQuery> {
  const { score, qHeads } = shape;
  const variant = shape.variant ?? gpu.chooseVariant(['serial']);
  const width = Math.ceil(shape.width / 8) * 8;
  const summed = score.kind === 'asymmetric' ? score.summed : 1;
  const queryBits = score.kind === 'asymmetric' ? score.queryBits : 0;
  invariant(width <= 256, `hash-query: maps are at most 256 wide, got ${shape.width}`);
  invariant(qHeads % summed === 0, `hash-query: ${qHeads} query heads cannot be summed by ${summed}`);
  invariant(
    score.kind === 'hamming' || (queryBits >= 1 && queryBits <= 4),
    `hash-query: queryBits must be 1 to 4, got ${queryBits}`,
  );
  const kernel = await prepareKernel(
    gpu,
    hashQueryKernels[variant],
    variant === 'serial' ? {} : { width, together: Math.min(summed, Math.floor(512 / width)) },
  );
  return (arena, args) => {
    const { label, queryMap, keyMap, kvHeads, headDim, capacity } = args;
    checkSignatureMap(`${label}: query map`, queryMap, headDim);
    checkSignatureMap(`${label}: key map`, keyMap, headDim);
    const bits = keyMap.widths.at(-1)!;
    const widest = Math.max(...queryMap.widths, ...keyMap.widths);
    invariant(widest <= width, `${label}: prepared for maps up to ${width} wide, got ${widest}`);
    invariant(
      queryMap.heads === qHeads,
      `${label}: prepared for ${qHeads} query heads, got ${queryMap.heads}`,
    );
    invariant(queryMap.widths.at(-1) === bits, `${label}: query and key maps must give as many bits`);
    invariant(
      keyMap.heads === kvHeads || keyMap.heads === qHeads,
      `${label}: key maps must be ${kvHeads} or ${qHeads}, got ${keyMap.heads}`,
    );
    const units = qHeads / summed;
    const words = bits / 32;
    expectBytes(`${label}: query`, args.query, qHeads * headDim * 4);
    expectBytes(`${label}: keyCache`, args.keyCache, kvHeads * capacity * headDim * 2);
    expectBytes(`${label}: planes`, args.planes, units * Math.max(queryBits, 1) * words * 4);
    expectBytes(`${label}: signatures`, args.signatures, keyMap.heads * capacity * words * 4);
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
        planes: args.planes,
        signatures: args.signatures,
      },
      uniforms: {
        units,
        summed,
        queryBits,
        qHeads,
        signatureHeads: keyMap.heads,
        signaturesPerKey: keyMap.heads / kvHeads,
        headDim,
        bits,
        capacity,
      },
      workgroups: [units + keyMap.heads],
      bytes: weightBytes(queryMap) + weightBytes(keyMap) + qHeads * headDim * 4,
    });
  };
}
