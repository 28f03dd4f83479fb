/** The specification of rope-append in double precision: values before they are rounded to f16. */
export interface RopeAppendInput {
  /** [rows, qHeads | kvHeads | kvHeads, headDim] */
  readonly qkv: ArrayLike<number>;
  /** cos and sin, [positions, headDim / 2, 2] */
  readonly angles: ArrayLike<number>;
  readonly norm?: {
    readonly queryNorm: ArrayLike<number>;
    readonly keyNorm: ArrayLike<number>;
    readonly eps: number;
  };
  readonly position: number;
  readonly rows: number;
  readonly qHeads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

export interface RopeAppendOutput {
  /** [rows, qHeads, headDim] */
  readonly query: Float64Array;
  /** [rows, kvHeads, headDim] */
  readonly key: Float64Array;
  readonly value: Float64Array;
  /** |x cos| + |x' sin| of each element: what its rounding error scales with. */
  readonly queryMagnitude: Float64Array;
  readonly keyMagnitude: Float64Array;
}

export function ropeAppendReference(input: RopeAppendInput): RopeAppendOutput {
  const { qkv, norm, position, rows, qHeads, kvHeads, headDim } = input;
  const half = headDim / 2;
  const output: RopeAppendOutput = {
    query: new Float64Array(rows * qHeads * headDim),
    key: new Float64Array(rows * kvHeads * headDim),
    value: new Float64Array(rows * kvHeads * headDim),
    queryMagnitude: new Float64Array(rows * qHeads * headDim),
    keyMagnitude: new Float64Array(rows * kvHeads * headDim),
  };
  for (let row = 0; row < rows; row++) {
    for (let head = 0; head < qHeads + 2 * kvHeads; head++) {
      const first = (row * (qHeads + 2 * kvHeads) + head) * headDim;
      const x = Float64Array.from({ length: headDim }, (_, d) => qkv[first + d]!);
      if (head >= qHeads + kvHeads) {
        output.value.set(x, (row * kvHeads + head - qHeads - kvHeads) * headDim);
        continue;
      }
      const isQuery = head < qHeads;
      if (norm) {
        const meanSquare = x.reduce((sum, element) => sum + element * element, 0) / headDim;
        const weight = isQuery ? norm.queryNorm : norm.keyNorm;
        for (let d = 0; d < headDim; d++) x[d] = (x[d]! / Math.sqrt(meanSquare + norm.eps)) * weight[d]!;
      }
      const at = (isQuery ? row * qHeads + head : row * kvHeads + head - qHeads) * headDim;
      const rotated = isQuery ? output.query : output.key;
      const magnitude = isQuery ? output.queryMagnitude : output.keyMagnitude;
      for (let i = 0; i < half; i++) {
        const cos = input.angles[2 * ((position + row) * half + i)]!;
        const sin = input.angles[2 * ((position + row) * half + i) + 1]!;
        rotated[at + i] = x[i]! * cos - x[i + half]! * sin;
        rotated[at + i + half] = x[i + half]! * cos + x[i]! * sin;
        magnitude[at + i] = Math.abs(x[i]! * cos) + Math.abs(x[i + half]! * sin);
        magnitude[at + i + half] = Math.abs(x[i + half]! * cos) + Math.abs(x[i]! * sin);
      }
    }
  }
  return output;
}
