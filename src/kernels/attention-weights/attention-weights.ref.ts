/** Softmax weights of one token over the cached ones in double precision: the specification of attention-weights. */
export interface AttentionWeightsInput {
  /** [qHeads, headDim] */
  readonly query: ArrayLike<number>;
  /** Values of the cached halves, [kvHeads, capacity, headDim]. */
  readonly keys: ArrayLike<number>;
  readonly qHeads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly capacity: number;
  /** Tokens that have a weight: 0 … length − 1. */
  readonly length: number;
}

export interface AttentionWeightsOutput {
  /** [qHeads, length] */
  readonly weights: Float64Array;
  /** Per query head, the largest Σ |q · k| / √headDim over its tokens: what errors of scores scale with. */
  readonly scoreMagnitude: Float64Array;
}

export function attentionWeightsReference(input: AttentionWeightsInput): AttentionWeightsOutput {
  const { query, keys, qHeads, kvHeads, headDim, capacity, length } = input;
  const weights = new Float64Array(qHeads * length);
  const scoreMagnitude = new Float64Array(qHeads);
  for (let head = 0; head < qHeads; head++) {
    const kvHead = Math.floor(head / (qHeads / kvHeads));
    const scores = new Float64Array(length);
    for (let token = 0; token < length; token++) {
      let score = 0;
      let size = 0;
      for (let d = 0; d < headDim; d++) {
        const product = query[head * headDim + d]! * keys[(kvHead * capacity + token) * headDim + d]!;
        score += product;
        size += Math.abs(product);
      }
      scores[token] = score / Math.sqrt(headDim);
      scoreMagnitude[head] = Math.max(scoreMagnitude[head]!, size / Math.sqrt(headDim));
    }
    const highest = scores.reduce((a, b) => Math.max(a, b));
    const total = scores.reduce((sum, score) => sum + Math.exp(score - highest), 0);
    scores.forEach((score, token) => {
      weights[head * length + token] = Math.exp(score - highest) / total;
    });
  }
  return { weights, scoreMagnitude };
}
