/** Signature maps that need no training: one random linear map per KV head, shared by queries and keys, so that bits
 *  agree the more the smaller the angle between them (Charikar 2002, "Similarity estimation techniques from rounding
 *  algorithms"). Keys are centred first, because those of one head mostly point the same way. */

import { mixBits } from './mix-bits.ts';

/** Close to normal, of standard deviation 0.82: the sum of eight random bytes, less its mean, in 1/256. Every value is
 *  a half exactly, and the same on every machine. The map's scale changes no bit and no ranking.
 *  @returns [bits, headDim] */
export function randomProjection(
  seed: number,
  where: { readonly layer: number; readonly kvHead: number },
  { bits, headDim }: { readonly bits: number; readonly headDim: number },
): Float32Array<ArrayBuffer> {
  let state = mixBits(mixBits(mixBits(seed) ^ where.layer) ^ where.kvHead);
  const nextByteSum = (): number => {
    state = (state + 0x9e3779b9) >>> 0;
    const word = mixBits(state);
    return (word & 255) + ((word >>> 8) & 255) + ((word >>> 16) & 255) + (word >>> 24);
  };
  return Float32Array.from({ length: bits * headDim }, () => (nextByteSum() + nextByteSum() - 1020) / 256);
}

/** The bias that makes the key map read keys as they lie about their mean: −W · mean.
 *  @param projection [bits, headDim]; meanKey [headDim] */
export function centringBias(
  projection: ArrayLike<number>,
  meanKey: ArrayLike<number>,
): Float32Array<ArrayBuffer> {
  const headDim = meanKey.length;
  return Float32Array.from({ length: projection.length / headDim }, (_, bit) => {
    let sum = 0;
    for (let d = 0; d < headDim; d++) sum -= projection[bit * headDim + d]! * meanKey[d]!;
    return sum;
  });
}
