/** A packed vector, as the GPU left it, against the values it was made of. */
import { readPackedVector, roundingSteps } from '../shared/packed-vector.ref.ts';
import { expectClose, unitF32 } from './expect-close.ts';

/** @param x values before the gain, a multiple of 32 */
export function expectPacked(
  planes: Uint32Array<ArrayBuffer>,
  x: Float32Array,
  gain: Float32Array | null,
  what: string,
): void {
  const got = readPackedVector(planes);
  const scaled = Float64Array.from(x, (value, i) => value * (gain?.[i] ?? 1));
  const steps = roundingSteps(scaled);
  // half a step, and what f32 adds in value · (32767 / largest), which is at most 2¹⁵ steps
  const rounding = 0.5 + 2 ** 15 * 6 * unitF32;
  expectClose(got.values, scaled, (i) => steps[i >> 3]! * rounding, `${what}: values`);
  expectClose(got.steps, steps, (i) => 6 * unitF32 * steps[i]!, `${what}: steps`);
  const sizes = octets(got.values.map(Math.abs));
  expectClose(got.sums, octets(got.values), (i) => 4 * unitF32 * sizes[i]!, `${what}: sums`);
  const squares = octets(Float64Array.from(x, (value) => value * value));
  // squares below the smallest f32 vanish
  expectClose(got.squares, squares, (i) => 10 * unitF32 * squares[i]! + 1e-37, `${what}: squares`);
}

/** Sums of eight. */
function octets(values: Float64Array): Float64Array {
  const sums = new Float64Array(values.length / 8);
  for (let i = 0; i < values.length; i++) sums[i >> 3]! += values[i]!;
  return sums;
}
