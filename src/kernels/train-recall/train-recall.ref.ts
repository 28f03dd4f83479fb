/** The specification of train-recall: sorting in place of counting. */

export interface RecallInput {
  /** Of one row's candidates, in token order. */
  readonly targets: ArrayLike<number>;
  readonly scores: ArrayLike<number>;
  /** Tokens in the context, the query's own included. */
  readonly n: number;
  readonly share: number;
}

/** @returns share of the true top k found, mass caught, most that k tokens could catch, mass of all candidates */
export function recallReference({ targets, scores, n, share }: RecallInput): readonly number[] {
  const count = targets.length;
  if (count === 0) return [0, 0, 0, 0];
  const k = Math.min(Math.max(Math.floor(n * share), 1), count);
  const best = highest(targets, k);
  const guess = highest(scores, k);
  const massOf = (tokens: Iterable<number>): number =>
    [...tokens].reduce((mass, token) => mass + targets[token]!, 0);
  const found = [...guess].filter((token) => best.has(token)).length;
  return [found / k, massOf(guess), massOf(best), massOf(Array.from(targets).keys())];
}

/** The k tokens of highest value, later ones first among equals. */
function highest(values: ArrayLike<number>, k: number): Set<number> {
  const order = Array.from(values).map((_, token) => token);
  return new Set(order.sort((a, b) => values[b]! - values[a]! || b - a).slice(0, k));
}
