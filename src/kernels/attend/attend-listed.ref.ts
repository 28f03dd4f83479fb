/** Softmax attention of one token over a list of tokens per query head, in double precision, with what stands for those
 *  left out: the specification of attend-listed, attend-tail and attend-blocks. */
import { type Tail, tailTokens } from '../hash-reference/tail.ref.ts';

export interface AttendListedInput {
  /** [qHeads, headDim] */
  readonly query: ArrayLike<number>;
  /** Values of the cached halves, [kvHeads, capacity, headDim]. */
  readonly keys: ArrayLike<number>;
  readonly values: ArrayLike<number>;
  readonly qHeads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly capacity: number;
  /** Tokens in the context, the current one included. */
  readonly length: number;
  /** Tokens attended to by a query head. */
  readonly tokensOf: (head: number) => readonly number[];
  readonly tail: Tail;
}

export interface AttendListedOutput {
  /** [qHeads, headDim] */
  readonly out: Float64Array;
  /** Σ weight · |value| of each element. */
  readonly magnitude: Float64Array;
  /** Per query head, the largest Σ |q · k| / √headDim over its tokens. */
  readonly scoreMagnitude: Float64Array;
  /** Per query head, the tail's share of the softmax; 0 without one. */
  readonly tailWeight: Float64Array;
  /** Per query head and per element, what errors of the tail's scores and of its values scale with: the same with the
   *  magnitudes of whatever is summed. */
  readonly tailScore: Float64Array;
  readonly tailValue: Float64Array;
}

/** Bound of |got − out[i]| for a computation in f32 over splits of `attended` tokens and `runs` runs of blocks.
 *  What is attended to: as derived in attend.test.ts. The tail: tokens of a block, blocks of a run, runs, and what
 *  splits attend to are added one by one, its score is a dot product more, and the logarithm of a count may be wrong by
 *  three units of 16; a tail that weighs more by ε moves the rest by ε times its weight, itself by ε times its part. */
export function listedBound(
  expected: AttendListedOutput,
  sizes: {
    readonly headDim: number;
    readonly attended: number;
    readonly splits: number;
    readonly runs: number;
  },
): (i: number) => number {
  const { headDim, attended, splits, runs } = sizes;
  const chain = Math.ceil(attended / splits) + 128 + splits + runs;
  const tailChain = 2 * 1024 + chain + headDim + 16;
  return (i) => {
    const head = Math.floor(i / headDim);
    const magnitude = expected.magnitude[i]!;
    const relative = 2 * ((headDim + 35) * expected.scoreMagnitude[head]! + 6 + 3 * chain);
    const scores = expected.tailScore[head]! + 1;
    const tail = expected.tailValue[i]! * (1 + scores) + expected.tailWeight[head]! * scores * magnitude;
    return (relative * magnitude + tailChain * tail) * 2 ** -24;
  };
}

/** A key and a value of headDim numbers, where they stand. */
interface Row {
  readonly keys: ArrayLike<number>;
  readonly values: ArrayLike<number>;
  readonly start: number;
  readonly count: number;
}

export function attendListedReference(input: AttendListedInput): AttendListedOutput {
  const { qHeads, headDim } = input;
  const result: AttendListedOutput = {
    out: new Float64Array(qHeads * headDim),
    magnitude: new Float64Array(qHeads * headDim),
    scoreMagnitude: new Float64Array(qHeads),
    tailWeight: new Float64Array(qHeads),
    tailScore: new Float64Array(qHeads),
    tailValue: new Float64Array(qHeads * headDim),
  };
  for (let head = 0; head < qHeads; head++) attendHead(input, head, result);
  return result;
}

function attendHead(input: AttendListedInput, head: number, result: AttendListedOutput): void {
  const { headDim, length, keys, values } = input;
  const query = Float64Array.from({ length: headDim }, (_, d) => input.query[head * headDim + d]!);
  const attended = new Set(input.tokensOf(head));
  const tail = tailTokens(input.tail, length, attended);
  const rows: Row[] = [...attended].map((token) => ({
    keys,
    values,
    start: startOf(input, head, token),
    count: 1,
  }));
  for (const { averaged, count } of tail) {
    const mean = sumOf(input, head, averaged, (x) => x / averaged.length);
    rows.push({ keys: mean.key, values: mean.value, start: 0, count });
  }

  const scores = rows.map(({ keys, start, count }) => {
    const { sum, magnitude } = dot(query, keys, start);
    result.scoreMagnitude[head] = Math.max(result.scoreMagnitude[head]!, magnitude / Math.sqrt(headDim));
    return sum / Math.sqrt(headDim) + Math.log(count);
  });
  const highest = scores.reduce((a, b) => Math.max(a, b));
  const weights = scores.map((score) => Math.exp(score - highest));
  const total = weights.reduce((a, b) => a + b);
  const out = result.out.subarray(head * headDim, (head + 1) * headDim);
  const magnitude = result.magnitude.subarray(head * headDim, (head + 1) * headDim);
  rows.forEach(({ values, start }, i) => {
    const weight = weights[i]! / total;
    for (let d = 0; d < headDim; d++) {
      const term = weight * values[start + d]!;
      out[d]! += term;
      magnitude[d]! += Math.abs(term);
    }
  });

  const everything = Array.from({ length }, (_, token) => token);
  tail.forEach(({ averaged }, i) => {
    // The mean of the rest is all tokens without those attended to.
    const summed = input.tail === 'mean' ? everything : averaged;
    const size = sumOf(input, head, summed, (x) => Math.abs(x) / averaged.length);
    const weight = weights[attended.size + i]! / total;
    const score = dot(query, size.key, 0).magnitude / Math.sqrt(headDim);
    result.tailWeight[head]! += weight;
    result.tailScore[head] = Math.max(result.tailScore[head]!, score);
    for (let d = 0; d < headDim; d++) result.tailValue[head * headDim + d]! += weight * size.value[d]!;
  });
}

/** Where the row of a token begins. */
function startOf(
  { qHeads, kvHeads, headDim, capacity }: AttendListedInput,
  head: number,
  token: number,
): number {
  return (Math.floor(head / (qHeads / kvHeads)) * capacity + token) * headDim;
}

function sumOf(
  input: AttendListedInput,
  head: number,
  tokens: readonly number[],
  map: (x: number) => number,
): { key: Float64Array; value: Float64Array } {
  const { keys, values, headDim } = input;
  const key = new Float64Array(headDim);
  const value = new Float64Array(headDim);
  for (const token of tokens) {
    const start = startOf(input, head, token);
    for (let d = 0; d < headDim; d++) {
      key[d]! += map(keys[start + d]!);
      value[d]! += map(values[start + d]!);
    }
  }
  return { key, value };
}

/** Σ query · row and Σ |query · row|. */
function dot(
  query: Float64Array,
  rows: ArrayLike<number>,
  start: number,
): { sum: number; magnitude: number } {
  let sum = 0;
  let magnitude = 0;
  for (let d = 0; d < query.length; d++) {
    const product = query[d]! * rows[start + d]!;
    sum += product;
    magnitude += Math.abs(product);
  }
  return { sum, magnitude };
}
