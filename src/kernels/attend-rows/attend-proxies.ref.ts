/** Softmax attention of one query head to some tokens, the rest weighed by proxy block by block, in double precision. */
import type { AttendTokensInput } from '../hash-reference/attend-tokens.ref.ts';
import type { TailProxy } from './attend-proxies.ts';

/** @returns [headDim] */
export function attendProxies(
  { query, keys, values, tokens }: Omit<AttendTokensInput, 'tail'>,
  { kind, block }: TailProxy,
): Float64Array {
  const headDim = query.length;
  const scores = scoresOf(query, keys);
  const n = scores.length;
  const highest = Math.max(...scores);
  const weights = scores.map((score) => Math.exp(score - highest));
  const attended = new Set(tokens);
  for (let first = 0; first < n; first += block ?? n) {
    const end = Math.min(first + (block ?? n), n);
    const rest = scores.flatMap((_, token) =>
      token >= first && token < end && !attended.has(token) ? [token] : [],
    );
    const meanOf = (value: (token: number) => number): number =>
      rest.reduce((sum, token) => sum + value(token), 0) / rest.length;
    const mean = meanOf((token) => scores[token]!);
    const variance = meanOf((token) => (scores[token]! - mean) ** 2);
    const level = {
      mean,
      spread: mean + variance / 2,
      linear: mean + variance / 2,
      mass: highest + Math.log(meanOf((token) => Math.exp(scores[token]! - highest))),
    }[kind];
    for (const token of rest) {
      const lean = kind === 'linear' ? 1 + scores[token]! - mean : 1;
      weights[token] = Math.exp(level - highest) * lean;
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
