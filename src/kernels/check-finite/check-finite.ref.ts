/** The specification of check-finite: does any value have an exponent of all ones? */
import { floatFromBfloat, floatFromHalf } from '../shared/half.ts';

export function allFinite(words: Uint32Array<ArrayBuffer>, type: 'f32' | 'f16' | 'bf16'): boolean {
  if (type === 'f32') return new Float32Array(words.buffer).every(Number.isFinite);
  const floatOf = type === 'f16' ? floatFromHalf : floatFromBfloat;
  return new Uint16Array(words.buffer).every((bits) => Number.isFinite(floatOf(bits)));
}
