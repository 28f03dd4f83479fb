/** The specification of to-half: halves packed two to a word, first in the low half. */
import { halfFromFloat } from '../shared/half.ts';

/** @param source finite values, an even number of them. */
export function toHalfReference(source: ArrayLike<number>): Uint32Array {
  const words = new Uint32Array(source.length / 2);
  for (let i = 0; i < words.length; i++) {
    words[i] = (halfFromFloat(source[2 * i]!) | (halfFromFloat(source[2 * i + 1]!) << 16)) >>> 0;
  }
  return words;
}
