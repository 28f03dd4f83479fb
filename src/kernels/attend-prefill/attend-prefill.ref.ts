/** The specification of attend-prefill in double precision. */
export interface AttendPrefillInput {
  /** [rows, queryStride] */
  readonly query: ArrayLike<number>;
  readonly queryStride: number;
  /** [kvHeads, capacity, headDim], the values of the halves. */
  readonly keys: ArrayLike<number>;
  readonly values: ArrayLike<number>;
  readonly capacity: number;
  readonly qHeads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Position of the first row. */
  readonly position: number;
  readonly rows: number;
}

export interface AttendPrefillOutput {
  /** [rows, qHeads · headDim] */
  readonly out: Float64Array;
  /** Per element, Σⱼ pⱼ·|vⱼ|: what errors of the values scale with. */
  readonly magnitude: Float64Array;
  /** Per element, the largest Σ|scale · q · k| over the keys of its row: what errors of the scores scale with. */
  readonly scoreMagnitude: Float64Array;
}

export function attendPrefillReference(input: AttendPrefillInput): AttendPrefillOutput {
  const { query, keys, values, qHeads, kvHeads, headDim, capacity } = input;
  const scale = 1 / Math.sqrt(headDim);
  const out = new Float64Array(input.rows * qHeads * headDim);
  const magnitude = new Float64Array(out.length);
  const scoreMagnitude = new Float64Array(out.length);
  for (let row = 0; row < input.rows; row++) {
    for (let head = 0; head < qHeads; head++) {
      const queryAt = row * input.queryStride + head * headDim;
      const cacheAt = Math.floor(head / (qHeads / kvHeads)) * capacity * headDim;
      const outAt = (row * qHeads + head) * headDim;
      const length = input.position + row + 1;
      const scores = new Float64Array(length);
      let size = 0;
      for (let j = 0; j < length; j++) {
        let terms = 0;
        for (let d = 0; d < headDim; d++) {
          const term = scale * query[queryAt + d]! * keys[cacheAt + j * headDim + d]!;
          scores[j] = scores[j]! + term;
          terms += Math.abs(term);
        }
        size = Math.max(size, terms);
      }
      const highest = scores.reduce((a, b) => Math.max(a, b));
      const total = scores.reduce((sum, score) => sum + Math.exp(score - highest), 0);
      for (let j = 0; j < length; j++) {
        const probability = Math.exp(scores[j]! - highest) / total;
        for (let d = 0; d < headDim; d++) {
          const term = probability * values[cacheAt + j * headDim + d]!;
          out[outAt + d] = out[outAt + d]! + term;
          magnitude[outAt + d] = magnitude[outAt + d]! + Math.abs(term);
        }
      }
      scoreMagnitude.fill(size, outAt, outAt + headDim);
    }
  }
  return { out, magnitude, scoreMagnitude };
}
