/** Softmax attention of one query head to some tokens, the rest weighed by proxy block by block, in double precision. */
import type { AttendTokensInput } from '../hash-reference/attend-tokens.ref.ts';
import { type TokenBudget, tokenRanges } from '../hash-reference/token-set.ref.ts';
import type { TailProxy } from './attend-proxies.ts';

/** budget: says which tokens are candidates, and how many are selected where that is estimated.
 *  @returns [headDim] */
export function attendProxies(
  { query, keys, values, tokens }: Omit<AttendTokensInput, 'tail'>,
  { kind, block, over, estimated }: TailProxy,
  budget: TokenBudget,
): Float64Array {
  const headDim = query.length;
  const scores = scoresOf(query, keys);
  const n = scores.length;
  const { sinkEnd, windowStart, selected } = tokenRanges(n, budget);
  const highest = Math.max(...scores);
  const attended = new Set(tokens);
  const weights = scores.map((score, token) => (attended.has(token) ? Math.exp(score - highest) : 0));
  for (let first = 0; first < n; first += block ?? n) {
    const all = Array.from({ length: Math.min(block ?? n, n - first) }, (_, i) => first + i);
    const rest = all.filter((token) => !attended.has(token));
    const candidates = all.filter((token) => token >= sinkEnd && token < windowStart);
    const averaged = { rest, candidates, block: all }[over];
    const left = 1 - selected / Math.max(1, windowStart - sinkEnd);
    const count = estimated ? candidates.length * left : rest.length;
    const meanOf = (value: (token: number) => number): number =>
      averaged.reduce((sum, token) => sum + value(token), 0) / averaged.length;
    const mean = meanOf((token) => scores[token]!);
    const variance = meanOf((token) => (scores[token]! - mean) ** 2);
    const level = {
      mean,
      spread: mean + variance / 2,
      linear: mean + variance / 2,
      mass: highest + Math.log(meanOf((token) => Math.exp(scores[token]! - highest))),
    }[kind];
    for (const token of averaged) {
      const lean = kind === 'linear' ? 1 + scores[token]! - mean : 1;
      weights[token]! += (count / averaged.length) * Math.exp(level - highest) * lean;
    }
  }
  const total = weights.reduce((a, b) => a + b);
  const out = new Float64Array(headDim);
  weights.forEach((weight, token) => {
    for (let d = 0; d < headDim; d++) out[d]! += (weight / total) * values[token * headDim + d]!;
  });
  return out;
}

/** q · k / √headDim for every row of keys. */
export function scoresOf(query: Float64Array, keys: Float64Array): number[] {
  const headDim = query.length;
  return Array.from({ length: keys.length / headDim }, (_, token) => {
    const key = keys.subarray(token * headDim, (token + 1) * headDim);
    return query.reduce((sum, q, d) => sum + q * key[d]!, 0) / Math.sqrt(headDim);
  });
}
