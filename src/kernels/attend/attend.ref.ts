/** Softmax attention of one token in double precision, head by head: the specification of attend. */
export interface AttendInput {
  /** [qHeads, headDim] */
  readonly query: ArrayLike<number>;
  /** Values of the cached halves, [kvHeads, capacity, headDim]. */
  readonly keys: ArrayLike<number>;
  readonly values: ArrayLike<number>;
  readonly qHeads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly capacity: number;
  /** Cache rows attended to. */
  readonly tokens: readonly number[];
}

export interface AttendOutput {
  /** [qHeads, headDim] */
  readonly out: Float64Array;
  /** Σ weight · |value| of each element. */
  readonly magnitude: Float64Array;
  /** Per query head, the largest Σ |q · k| / √headDim over its tokens: what errors of scores scale with. */
  readonly scoreMagnitude: Float64Array;
}

export function attendReference(input: AttendInput): AttendOutput {
  const { query, keys, values, qHeads, kvHeads, headDim, capacity, tokens } = input;
  const out = new Float64Array(qHeads * headDim);
  const magnitude = new Float64Array(qHeads * headDim);
  const scoreMagnitude = new Float64Array(qHeads);
  for (let head = 0; head < qHeads; head++) {
    const kvHead = Math.floor(head / (qHeads / kvHeads));
    const rowOf = (token: number): number => (kvHead * capacity + token) * headDim;
    const scores = tokens.map((token) => {
      let score = 0;
      let size = 0;
      for (let d = 0; d < headDim; d++) {
        const product = query[head * headDim + d]! * keys[rowOf(token) + d]!;
        score += product;
        size += Math.abs(product);
      }
      scoreMagnitude[head] = Math.max(scoreMagnitude[head]!, size / Math.sqrt(headDim));
      return score / Math.sqrt(headDim);
    });
    const highest = scores.reduce((a, b) => Math.max(a, b));
    const weights = scores.map((score) => Math.exp(score - highest));
    const total = weights.reduce((a, b) => a + b);
    tokens.forEach((token, i) => {
      for (let d = 0; d < headDim; d++) {
        const term = (weights[i]! / total) * values[rowOf(token) + d]!;
        out[head * headDim + d]! += term;
        magnitude[head * headDim + d]! += Math.abs(term);
      }
    });
  }
  return { out, magnitude, scoreMagnitude };
}
