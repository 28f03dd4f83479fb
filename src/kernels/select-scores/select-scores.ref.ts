/** Scores by plain loops and selection by sorting: the specification of select-scores. */
import { selectTokens, type TokenBudget, tokenRanges } from '../hash-reference/token-set.ref.ts';

/** Of each list, the candidates with the largest keys, the most recent first among equals, in ascending order.
 *  @param keys of every token of the context, [lists][n] */
export function selectLargestReference(
  keys: readonly ArrayLike<number>[],
  n: number,
  budget: TokenBudget,
): number[][] {
  const ranges = tokenRanges(n, budget);
  return keys.map((ofList) =>
    selectTokens(
      Array.from(ofList, (key) => -key),
      ranges,
    ),
  );
}

/** The sum of `group` rows of [lists · group, capacity] for each list, added in f32 in the order of the rows; the first
 *  n tokens of each. */
export function summedWeights(
  weights: Float32Array,
  { lists, group, capacity, n }: { lists: number; group: number; capacity: number; n: number },
): Float32Array[] {
  return Array.from({ length: lists }, (_, list) =>
    Float32Array.from({ length: n }, (_, token) => {
      let sum = 0;
      for (let head = list * group; head < (list + 1) * group; head++) {
        sum = Math.fround(sum + weights[head * capacity + token]!);
      }
      return sum;
    }),
  );
}
