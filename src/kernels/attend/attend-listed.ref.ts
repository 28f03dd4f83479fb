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

interface Row {
  readonly key: ArrayLike<number>;
  readonly value: ArrayLike<number>;
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
  const { headDim, length } = input;
  const query = Array.from({ length: headDim }, (_, d) => input.query[head * headDim + d]!);
  const attended = new Set(input.tokensOf(head));
  const tail = tailTokens(input.tail, length, attended);
  const rows: Row[] = [...attended].map((token) => rowOf(input, head, token));
  for (const { averaged, count } of tail) {
    rows.push({ ...sumOf(input, head, averaged, (x) => x / averaged.length), count });
  }

  const scores = rows.map(({ key, count }) => dot(query, key) / Math.sqrt(headDim) + Math.log(count));
  const highest = scores.reduce((a, b) => Math.max(a, b));
  const weights = scores.map((score) => Math.exp(score - highest));
  const total = weights.reduce((a, b) => a + b);
  const sizes = rows.map(
    ({ key }) => dot(query.map(Math.abs), Array.from(key, Math.abs)) / Math.sqrt(headDim),
  );
  result.scoreMagnitude[head] = Math.max(...sizes);
  rows.forEach(({ value }, i) => {
    for (let d = 0; d < headDim; d++) {
      const term = (weights[i]! / total) * value[d]!;
      result.out[head * headDim + d]! += term;
      result.magnitude[head * headDim + d]! += Math.abs(term);
    }
  });

  const everything = Array.from({ length }, (_, token) => token);
  tail.forEach(({ averaged }, i) => {
    // The mean of the rest is all tokens without those attended to.
    const summed = input.tail === 'mean' ? everything : averaged;
    const size = sumOf(input, head, summed, (x) => Math.abs(x) / averaged.length);
    const weight = weights[attended.size + i]! / total;
    const score = dot(query.map(Math.abs), size.key) / Math.sqrt(headDim);
    result.tailWeight[head]! += weight;
    result.tailScore[head] = Math.max(result.tailScore[head]!, score);
    for (let d = 0; d < headDim; d++) result.tailValue[head * headDim + d]! += weight * size.value[d]!;
  });
}

function startOf(
  { qHeads, kvHeads, headDim, capacity }: AttendListedInput,
  head: number,
  token: number,
): number {
  return (Math.floor(head / (qHeads / kvHeads)) * capacity + token) * headDim;
}

function rowOf(input: AttendListedInput, head: number, token: number): Row {
  const start = startOf(input, head, token);
  const row = (rows: ArrayLike<number>) =>
    Float64Array.from({ length: input.headDim }, (_, d) => rows[start + d]!);
  return { key: row(input.keys), value: row(input.values), count: 1 };
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

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
