/** The sampler's specification, in plain loops and doubles.
 *
 *  Logits are adjusted (bias, penalties, temperature); then top-k, top-p and min-p, in the order Hugging Face applies
 *  them, each leave a set of survivors; then one number decides among these. Every set is a cut by distance from the
 *  largest adjusted logit, d = fround(largest - logit), so tokens of equal distance survive or go together: ties at
 *  the k-th token are kept, as Hugging Face and vLLM do, and at the edge of the nucleus all of them are. */
import type { ResultRecord } from './result-record.ts';
import type { SamplingChoices } from './sampling-params.ts';

/** Logits after bias, penalties and temperature, in this order: + bias; repetition penalty r for tokens of prompt
 *  or answer, positive / r and negative · r; - frequency · occurrences in the answer; - presence once for tokens of
 *  the answer; / temperature. Temperature 0 divides by nothing.
 *  @param history u32 [vocab] as in packHistory */
export function adjustReference(
  logits: Float32Array,
  history: Uint32Array,
  choices: SamplingChoices,
): Float64Array {
  const { temperature, repetitionPenalty, frequencyPenalty, presencePenalty, logitBias } = choices;
  return Float64Array.from(logits, (logit, id) => {
    let value = logit + (logitBias[id] ?? 0);
    const times = history[id]! & 0x7fffffff;
    if (history[id] !== 0) value = value > 0 ? value / repetitionPenalty : value * repetitionPenalty;
    value -= frequencyPenalty * times;
    if (times > 0) value -= presencePenalty;
    return value / (temperature || 1);
  });
}

/** The largest value's id, the lowest of equal ones. */
export function greedyReference(adjusted: ArrayLike<number>): number {
  let best = 0;
  for (let id = 1; id < adjusted.length; id++) if (adjusted[id]! > adjusted[best]!) best = id;
  return best;
}

export function distancesReference(adjusted: Float32Array): Float32Array {
  const largest = adjusted[greedyReference(adjusted)]!;
  return adjusted.map((value) => largest - value); // stored as f32: rounded once
}

/** Tokens at most this far from the largest logit survive.
 *  top-k: the distance of the k-th nearest token. top-p: the shortest distance within which lie at least topP of the
 *  weight Σ exp(-d) that top-k left. min-p: probability at least minP times the largest, d ≤ -ln(minP). */
export function longestDistance(distances: Float32Array, choices: SamplingChoices): number {
  const { topK, topP, minP } = choices;
  const nearestFirst = distances.toSorted(); // typed arrays sort by number
  const kept = topK === 0 ? nearestFirst.length : Math.min(topK, nearestFirst.length);
  let longest = nearestFirst[kept - 1]!;
  if (topP < 1) {
    const survivors = nearestFirst.filter((distance) => distance <= longest);
    const total = survivors.reduce((sum, distance) => sum + Math.exp(-distance), 0);
    let sum = 0;
    for (const distance of survivors) {
      sum += Math.exp(-distance);
      longest = distance;
      if (sum >= topP * total) break;
    }
  }
  return minP === 0 ? longest : Math.min(longest, -Math.log(minP));
}

/** The first surviving token, in order of ids, at which the running sum of weights reaches number · total. */
export function drawReference(distances: Float32Array, longest: number, number: number): number {
  const weights = Float64Array.from(distances, (d) => (d <= longest ? Math.exp(-d) : 0));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let sum = 0;
  let token = 0;
  for (let id = 0; id < weights.length; id++) {
    if (weights[id] === 0) continue;
    token = id;
    sum += weights[id]!;
    if (sum >= number * total) break;
  }
  return token;
}

/** A number in [0, 1), a multiple of 2^-24, from the seed and the step's index; see random.wgsl. */
export function uniformReference(seed: number, index: number): number {
  const step = (word: number): number => Math.imul(word, 1664525) + 1013904223;
  let x = step(seed % 2 ** 32);
  let y = step(Math.floor(seed / 2 ** 32));
  let z = step(index);
  x = (x + Math.imul(y, z)) >>> 0;
  y = (y + Math.imul(z, x)) >>> 0;
  z = (z + Math.imul(x, y)) >>> 0;
  x ^= x >>> 16;
  y ^= y >>> 16;
  z ^= z >>> 16;
  x = (x + Math.imul(y, z)) >>> 0;
  return (x >>> 8) / 2 ** 24;
}

/** What a record says of a token: log-softmax of the model's own logits. */
export function recordReference(logits: Float32Array, token: number, topLogprobs: number): ResultRecord {
  const largest = logits[greedyReference(logits)]!;
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - largest), 0);
  const logprobOf = (id: number): number => logits[id]! - largest - Math.log(sum);
  const ids = Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]! || a - b);
  return {
    token,
    logprob: logprobOf(token),
    top: ids.slice(0, topLogprobs).map((id) => ({ token: id, logprob: logprobOf(id) })),
  };
}
