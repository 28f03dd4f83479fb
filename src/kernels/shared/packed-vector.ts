/** Vectors as products with 4-bit weights read them: x · gain rounded to 16-bit integers, with one step per octet of
 *  columns (packed-octet.wgsl), so that whoever makes eight values can pack them without asking others.
 *
 *  Seven planes, one vec4 per block of 32 columns each: the bytes of octets 0, 1, 2, 3; their steps; the sums of their
 *  values as rounded; the sums of the squares of x, for the norm. Neighbouring blocks are neighbours in every plane. */
import { invariant } from '../../errors.ts';
import type { BufferSlice } from '../runtime/tensor.ts';

/** A vector in f32 and, where its maker packs it, times the gain of its reader's norm. */
export interface Packable extends BufferSlice {
  readonly packed?: BufferSlice;
}

/** Bytes of a packed vector of `columns` values, a multiple of 32. */
export function packedBytes(columns: number): number {
  invariant(columns % 32 === 0, `packed vectors come in blocks of 32, got ${columns}`);
  return (columns / 32) * 7 * 16;
}
