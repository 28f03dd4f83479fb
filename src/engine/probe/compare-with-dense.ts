/** Sparse attention of one layer against dense attention on the same inputs, as figures. */
import type { AttendedSet } from '../attention/attention-policy.ts';
import type { ProbedHead, ProbedList } from './probe-types.ts';

export interface LayerStep {
  /** Tokens in the context, the current one included. */
  readonly contextTokens: number;
  readonly set: AttendedSet;
  /** [lists, listCapacity]: the tokens each list selected come first. */
  readonly tokenLists: Uint32Array;
  readonly lists: number;
  /** Dense attention's softmax weights, [qHeads, capacity]. */
  readonly weights: Float32Array;
  /** Outputs, [qHeads, headDim]. */
  readonly sparse: Float32Array;
  readonly dense: Float32Array;
  readonly qHeads: number;
}

export function compareWithDense(step: LayerStep): { lists: ProbedList[]; heads: ProbedHead[] } {
  const { set, tokenLists, lists, weights, qHeads, contextTokens } = step;
  const listCapacity = tokenLists.length / lists;
  const capacity = weights.length / qHeads;
  const group = qHeads / lists;
  const weightsOf = (head: number): Float32Array =>
    weights.subarray(head * capacity, head * capacity + contextTokens);
  const selected = Array.from({ length: lists }, (_, list) =>
    tokenLists.slice(list * listCapacity, list * listCapacity + set.selected),
  );
  return {
    lists: selected.map((tokens, list) => {
      const heads = Array.from({ length: group }, (_, i) => weightsOf(list * group + i));
      return { tokens, recall: recallOf(tokens, summed(heads), set) };
    }),
    heads: Array.from({ length: qHeads }, (_, head) => ({
      mass: massOf(weightsOf(head), selected[Math.floor(head / group)]!, set),
      outputError: errorOf(step, head),
    })),
  };
}

function summed(rows: readonly Float32Array[]): Float32Array {
  return Float32Array.from(rows[0]!, (_, token) => rows.reduce((sum, row) => sum + row[token]!, 0));
}

/** Of the candidates with the highest scores, ties most recent first, how large a share was selected. */
function recallOf(selected: Uint32Array, scores: Float32Array, { sinkEnd, windowStart }: AttendedSet) {
  const count = selected.length;
  if (count === 0) return null;
  const candidates = scores.subarray(sinkEnd, windowStart);
  const threshold = Float32Array.from(candidates).sort()[candidates.length - count]!;
  const above = candidates.reduce((sum, score) => sum + (score > threshold ? 1 : 0), 0);
  const chosen = new Set(selected);
  let ties = count - above;
  let found = 0;
  for (let token = windowStart - 1; token >= sinkEnd; token--) {
    const isTop = scores[token]! > threshold || (scores[token]! === threshold && ties-- > 0);
    if (isTop && chosen.has(token)) found++;
  }
  return found / count;
}

function massOf(weights: Float32Array, selected: Uint32Array, { sinkEnd, windowStart }: AttendedSet): number {
  let mass = 0;
  for (let token = 0; token < sinkEnd; token++) mass += weights[token]!;
  for (let token = windowStart; token < weights.length; token++) mass += weights[token]!;
  for (const token of selected) mass += weights[token]!;
  return mass;
}

function errorOf({ sparse, dense, qHeads }: LayerStep, head: number): number {
  const headDim = dense.length / qHeads;
  let difference = 0;
  let size = 0;
  for (let i = head * headDim; i < (head + 1) * headDim; i++) {
    difference += (sparse[i]! - dense[i]!) ** 2;
    size += dense[i]! ** 2;
  }
  return size === 0 ? 0 : Math.sqrt(difference / size);
}
