/** Inputs of a 4-bit product as its producer leaves them: x · gain rounded to 16-bit integers, with one step per octet of
 *  columns (packed-octet.wgsl), so that a workgroup that makes eight values can pack them without asking others.
 *
 *  Seven planes, one vec4 per block of 32 columns each: the bytes of octets 0, 1, 2, 3; their steps; the sums of their
 *  values as rounded; the sums of the squares of x, for the norm. Neighbouring blocks are neighbours in every plane. */
import { invariant } from '../../errors.ts';

/** Bytes of a packed vector of `columns` inputs, a multiple of 32. */
export function packedInputBytes(columns: number): number {
  invariant(columns % 32 === 0, `packed inputs come in blocks of 32, got ${columns}`);
  return (columns / 32) * 7 * 16;
}
