/** The specification of mat-vec in double precision. */
import { roundingSteps } from '../shared/packed-vector.ref.ts';

export interface MatVecInput {
  /** Dequantised weights, [rows, columns]. */
  readonly weights: Float32Array;
  /** What the rounding error of decoding each weight scales with: |scale · q| + |bias|, or |w|. */
  readonly magnitudes: Float64Array;
  readonly rows: number;
  readonly columns: number;
  readonly x: Float32Array;
  readonly norm?: { readonly gain: Float32Array; readonly eps: number };
  readonly bias?: Float32Array;
  /** What `out` holds before, for `add`. */
  readonly residual?: Float32Array;
  readonly finish: 'store' | 'add' | 'gated';
  /** Bounds what 16-bit inputs change: x times gain, rounded in each octet to multiples of max|x · gain| / 32767. */
  readonly roundsInputs?: boolean;
}

export interface MatVecOutput {
  readonly out: Float64Array;
  /** Per output, the sum of magnitudes its error bound scales with. */
  readonly magnitude: Float64Array;
  /** Per output, what rounding the inputs can change: Σ |w| · step / 2, and what finish makes of it. 0 unless they are. */
  readonly rounding: Float64Array;
}

export function matVecReference(input: MatVecInput): MatVecOutput {
  const { rows, columns, x, norm, bias, finish } = input;
  let squares = 0;
  for (let k = 0; k < columns; k++) squares += x[k]! * x[k]!;
  const factor = norm ? 1 / Math.sqrt(squares / columns + norm.eps) : 1;
  const y = new Float64Array(rows);
  const size = new Float64Array(rows);
  const moved = new Float64Array(rows);
  const inputs = Float64Array.from(x, (value, k) => value * (norm ? norm.gain[k]! : 1));
  const steps = input.roundsInputs ? roundingSteps(inputs) : new Float64Array(Math.ceil(columns / 8));
  for (let row = 0; row < rows; row++) {
    let sum = 0;
    let magnitude = 0;
    let rounding = 0;
    for (let k = 0; k < columns; k++) {
      const scaled = inputs[k]! * factor;
      sum += input.weights[row * columns + k]! * scaled;
      magnitude += input.magnitudes[row * columns + k]! * Math.abs(scaled);
      rounding += (Math.abs(input.weights[row * columns + k]!) * steps[k >> 3]! * factor) / 2;
    }
    y[row] = sum + (bias ? bias[row]! : 0);
    size[row] = magnitude + Math.abs(bias ? bias[row]! : 0);
    moved[row] = rounding;
  }
  if (finish === 'gated') {
    const outputs = rows / 2;
    const silu = (value: number): number => value / (1 + Math.exp(-value));
    return {
      out: Float64Array.from({ length: outputs }, (_, i) => silu(y[i]!) * y[i + outputs]!),
      // |silu'| ≤ 1.1 and |silu(g)| ≤ |g|
      magnitude: Float64Array.from(
        { length: outputs },
        (_, i) => 1.1 * size[i]! * Math.abs(y[i + outputs]!) + Math.abs(y[i]!) * size[i + outputs]!,
      ),
      rounding: Float64Array.from(
        { length: outputs },
        (_, i) =>
          1.1 * moved[i]! * (Math.abs(y[i + outputs]!) + moved[i + outputs]!) +
          Math.abs(y[i]!) * moved[i + outputs]!,
      ),
    };
  }
  if (finish === 'add') {
    for (let row = 0; row < rows; row++) {
      y[row] = y[row]! + input.residual![row]!;
      size[row] = size[row]! + Math.abs(input.residual![row]!);
    }
  }
  return { out: y, magnitude: size, rounding: moved };
}
