/** Softmax attention of one query head over a set of tokens, in double precision, with what stands for the rest. */
import { type Tail, tailTokens } from './tail.ref.ts';

export interface AttendTokensInput {
  /** [headDim] */
  readonly query: Float64Array;
  /** Of the query head's KV head, [n, headDim]: values of the cached halves. */
  readonly keys: Float64Array;
  readonly values: Float64Array;
  /** Ascending, no token twice. */
  readonly tokens: readonly number[];
  readonly tail: Tail;
}

/** Σ softmax(q · k / √headDim + log weight) · v.
 *  @returns [headDim] */
export function attendTokens(input: AttendTokensInput): Float64Array {
  const { query, keys, values, tokens, tail } = input;
  const headDim = query.length;
  const rows = tokens.map((token) => ({
    key: keys.subarray(token * headDim, (token + 1) * headDim),
    value: values.subarray(token * headDim, (token + 1) * headDim),
    count: 1,
  }));
  for (const { averaged, count } of tailTokens(tail, keys.length / headDim, new Set(tokens))) {
    const [key, value] = [meanOf(keys, averaged, headDim), meanOf(values, averaged, headDim)];
    rows.push({ key, value, count });
  }
  const scores = rows.map(({ key, count }) => dot(query, key) / Math.sqrt(headDim) + Math.log(count));
  const highest = scores.reduce((a, b) => Math.max(a, b));
  const weights = scores.map((score) => Math.exp(score - highest));
  const total = weights.reduce((a, b) => a + b);
  const out = new Float64Array(headDim);
  rows.forEach(({ value }, i) => {
    for (let d = 0; d < headDim; d++) out[d]! += (weights[i]! / total) * value[d]!;
  });
  return out;
}

function meanOf(rows: Float64Array, chosen: readonly number[], width: number): Float64Array {
  const mean = new Float64Array(width);
  for (const row of chosen) {
    for (let d = 0; d < width; d++) mean[d]! += rows[row * width + d]! / chosen.length;
  }
  return mean;
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
