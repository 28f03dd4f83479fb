/** Signatures of a range of cached keys: a chunk of the prompt, or what a switch to sparse attention finds missing.
 *  See hash-keys.wgsl. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import { type Dispatch, gridOf } from '../runtime/dispatch.ts';
import type { Gpu } from '../runtime/gpu.ts';
import {
  checkHashedCache,
  type HashedCacheArgs,
  hashedCacheBindings,
  hashedCacheUniforms,
  type MapVariant,
} from '../shared/hashed-cache.ts';
import hashedKeysSource from '../shared/hashed-keys.wgsl?raw';
import { packWidths } from '../shared/signature-map.ts';
import mapSource from '../shared/signature-map.wgsl?raw';
import mapSerialSource from '../shared/signature-map-serial.wgsl?raw';
import stepSource from '../shared/step.wgsl?raw';
import source from './hash-keys.wgsl?raw';
import serialSource from './hash-keys-serial.wgsl?raw';
import keyMapsSource from './key-maps.wgsl?raw';

export interface HashKeysShape {
  /** Widest input or output among the maps to be run. */
  readonly width: number;
  /** The fastest this device runs, unless told. */
  readonly variant?: MapVariant;
}

/** Tokens step.position … + step.rows − 1 are hashed, those beyond the capacity left out. */
export interface HashKeysArgs extends HashedCacheArgs {
  /** Rows dispatched: the most that step.rows will say. */
  readonly rows: number;
}

export type HashKeys = (arena: Arena, args: HashKeysArgs) => Dispatch;

const declared = { bindings: hashedCacheBindings, uniforms: hashedCacheUniforms };

export const hashKeysKernels = {
  workgroup: defineKernel({
    name: 'hash-keys',
    sources: [stepSource, mapSource, hashedKeysSource, keyMapsSource, source],
    ...declared,
    constants: ['width'],
  }),
  serial: defineKernel({
    name: 'hash-keys-serial',
    sources: [stepSource, mapSource, mapSerialSource, hashedKeysSource, keyMapsSource, serialSource],
    ...declared,
  }),
};

export async function prepareHashKeys(gpu: Gpu, shape: HashKeysShape): Promise<HashKeys> {
  const variant = shape.variant ?? gpu.chooseVariant(['serial']);
  const width = Math.max(32, 2 ** Math.ceil(Math.log2(shape.width)));
  invariant(width <= 256, `hash-keys: maps are at most 256 wide, got ${shape.width}`);
  const kernel = await prepareKernel(gpu, hashKeysKernels[variant], variant === 'serial' ? {} : { width });
  const tokensPerWorkgroup = variant === 'serial' ? 1 : 4096 / width;
  return (arena, args) => {
    const { label, keyMap, rows, kvHeads, headDim, capacity } = args;
    const { bits, signaturesPerKey } = checkHashedCache(args, width);
    const [x, y] = gridOf(Math.ceil(rows / tokensPerWorkgroup));
    return kernel.dispatch(arena, {
      label,
      bindings: {
        step: args.step,
        widths: { buffer: arena.uniform(`${label}.widths`, packWidths([], keyMap.widths)) },
        keyCache: args.keyCache,
        keyWeights: keyMap.weights,
        keyBiases: keyMap.biases,
        signatures: args.signatures,
      },
      uniforms: { signatureHeads: keyMap.heads, signaturesPerKey, headDim, bits, capacity },
      workgroups: [x, y ?? 1, keyMap.heads],
      bytes: kvHeads * rows * headDim * 2 + (keyMap.heads * rows * bits) / 8,
    });
  };
}
