/** What kernels that hash cached keys have in common. */
import { invariant } from '../../errors.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import { checkSignatureMap, type SignatureMap } from './signature-map.ts';

/** How maps run: `serial` for adapters that run on the CPU. */
export type MapVariant = 'workgroup' | 'serial';

/** What hashed-keys.wgsl binds; a kernel's own bindings follow. */
export const hashedCacheBindings = {
  step: 'uniform',
  widths: 'uniform',
  keyCache: 'read',
  keyWeights: 'read',
  keyBiases: 'read',
  signatures: 'write',
} as const;
export const hashedCacheUniforms = {
  signatureHeads: 'u32',
  signaturesPerKey: 'u32',
  headDim: 'u32',
  bits: 'u32',
  capacity: 'u32',
} as const;

/** What kernels that hash cached keys are given. */
export interface HashedCacheArgs {
  readonly label: string;
  /** Uniform `Step` */
  readonly step: BufferSlice;
  /** Packed f16 [kvHeads, capacity, headDim] */
  readonly keyCache: BufferSlice;
  /** Heads: kvHeads, or qHeads where every query head has signatures of its own. */
  readonly keyMap: SignatureMap;
  /** u32 [keyMap.heads, capacity, words] */
  readonly signatures: BufferSlice;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly capacity: number;
}

/** Refuses maps wider than `width` and buffers that are too small.
 *  @param queryMaps run besides the key map, to as many bits */
export function checkHashedCache(
  args: HashedCacheArgs,
  width: number,
  queryMaps: readonly SignatureMap[] = [],
): { readonly bits: number; readonly signaturesPerKey: number } {
  const { label, keyMap, kvHeads, headDim, capacity } = args;
  const maps = [keyMap, ...queryMaps];
  for (const [i, map] of maps.entries()) {
    checkSignatureMap(`${label}: ${i === 0 ? 'key' : 'query'} map`, map, headDim);
  }
  const widest = Math.max(...maps.flatMap(({ widths }) => widths));
  const bits = keyMap.widths.at(-1)!;
  invariant(widest <= width, `${label}: prepared for maps up to ${width} wide, got ${widest}`);
  invariant(
    maps.every(({ widths }) => widths.at(-1) === bits),
    `${label}: query and key maps must give as many bits`,
  );
  invariant(
    keyMap.heads % kvHeads === 0,
    `${label}: key maps must be a multiple of ${kvHeads}, got ${keyMap.heads}`,
  );
  expectBytes(`${label}: keyCache`, args.keyCache, kvHeads * capacity * headDim * 2);
  expectBytes(`${label}: signatures`, args.signatures, (keyMap.heads * capacity * bits) / 8);
  return { bits, signaturesPerKey: keyMap.heads / kvHeads };
}
