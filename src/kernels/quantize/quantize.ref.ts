/** The specification of quantize in f32 arithmetic, rounded as IEEE asks. */
import { floatFromHalf, halfFromFloat } from '../shared/half.ts';

export interface QuantizedGroup {
  /** Bits of the f16 scale and bias. */
  readonly scaleHalf: number;
  readonly biasHalf: number;
  readonly quants: readonly number[];
}

/** Quantises one group of f32 values. All must be finite, scale and bias within the range of a half. */
export function quantizeGroup(weights: ArrayLike<number>, bits: 4 | 8): QuantizedGroup {
  const levels = 2 ** bits - 1;
  const values = Array.from(weights);
  const low = Math.min(...values);
  const high = Math.max(...values);
  const biasHalf = low === 0 ? 0 : halfFromFloat(low);
  const scaleHalf = halfFromFloat(Math.fround(Math.fround(high - low) / levels)) || 0x3c00;
  return { scaleHalf, biasHalf, quants: quantsOf(values, scaleHalf, biasHalf, levels) };
}

function quantsOf(values: readonly number[], scaleHalf: number, biasHalf: number, levels: number): number[] {
  const scale = floatFromHalf(scaleHalf);
  const bias = floatFromHalf(biasHalf);
  return values.map((weight) => {
    const quant = roundHalfEven(Math.fround(Math.fround(weight - bias) / scale));
    return Math.min(Math.max(quant, 0), levels);
  });
}

/** Nearest integer, ties to the even one. */
function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}
