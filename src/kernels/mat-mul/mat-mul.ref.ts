/** The specification of mat-mul in double precision. */
export interface MatMulInput {
  /** Dequantised weights [rows, columns], and the size their decoding error scales with. */
  readonly weights: ArrayLike<number>;
  readonly magnitudes: ArrayLike<number>;
  readonly rows: number;
  readonly columns: number;
  readonly x: ArrayLike<number>;
  readonly xStride: number;
  readonly xOffset: number;
  readonly tokens: number;
  readonly bias?: ArrayLike<number>;
  /** [tokens, outStride] as it is before; kept outside the result's columns. */
  readonly before: ArrayLike<number>;
  readonly outStride: number;
  readonly outOffset: number;
  readonly accumulate: boolean;
}

export interface MatMulOutput {
  /** [tokens, outStride] */
  readonly out: Float64Array;
  /** Per element, the sum of magnitudes its error bound scales with; 0 where nothing is written. */
  readonly magnitude: Float64Array;
}

export function matMulReference(input: MatMulInput): MatMulOutput {
  const { weights, magnitudes, rows, columns, x, bias, outStride } = input;
  const out = Float64Array.from(input.before);
  const magnitude = new Float64Array(out.length);
  for (let token = 0; token < input.tokens; token++) {
    const start = (input.xOffset + token) * input.xStride;
    for (let row = 0; row < rows; row++) {
      let sum = bias?.[row] ?? 0;
      let size = Math.abs(sum);
      for (let k = 0; k < columns; k++) {
        sum += x[start + k]! * weights[row * columns + k]!;
        size += Math.abs(x[start + k]!) * magnitudes[row * columns + k]!;
      }
      const index = token * outStride + input.outOffset + row;
      if (input.accumulate) {
        sum += out[index]!;
        size += Math.abs(out[index]!);
      }
      out[index] = sum;
      magnitude[index] = size;
    }
  }
  return { out, magnitude };
}
