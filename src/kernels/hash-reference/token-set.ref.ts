/** Which tokens a list attends to: the first, the last, and the nearest of those between. */

/** All in tokens. `window` counts the current token, so it is at least 1; `most` is a count or a share of the
 *  context, kept as a ratio so that its floor is exact. */
export interface TokenBudget {
  readonly sink: number;
  readonly window: number;
  readonly most:
    | { readonly kind: 'count'; readonly count: number }
    | { readonly kind: 'fraction'; readonly numerator: number; readonly denominator: number };
}

/** Half-open ranges over [0, n) that meet and never overlap: where sink and window would, the window has the token. */
export interface TokenRanges {
  /** [0, sinkEnd) */
  readonly sinkEnd: number;
  /** [windowBegin, n) */
  readonly windowBegin: number;
  /** k: how many of the candidates [sinkEnd, windowBegin) are selected. */
  readonly selected: number;
}

/** k = min(count or floor(n · numerator / denominator), candidates).
 *  @param n tokens in the context, the current one included */
export function tokenRanges(n: number, { sink, window, most }: TokenBudget): TokenRanges {
  const windowBegin = Math.max(n - window, 0);
  const sinkEnd = Math.min(sink, windowBegin);
  const wanted = most.kind === 'count' ? most.count : Math.floor((n * most.numerator) / most.denominator);
  return { sinkEnd, windowBegin, selected: Math.min(wanted, windowBegin - sinkEnd) };
}

/** The `selected` candidates of smallest distance, the most recent first among equals, in ascending order.
 *  @param distances of every token, [n] */
export function selectTokens(distances: ArrayLike<number>, ranges: TokenRanges): number[] {
  const { sinkEnd, windowBegin, selected } = ranges;
  return Array.from({ length: windowBegin - sinkEnd }, (_, i) => sinkEnd + i)
    .sort((a, b) => distances[a]! - distances[b]! || b - a)
    .slice(0, selected)
    .sort((a, b) => a - b);
}

/** Sink, list and window in ascending order. */
export function attendedTokens(
  n: number,
  { sinkEnd, windowBegin }: TokenRanges,
  list: readonly number[],
): number[] {
  const from = (begin: number, end: number) => Array.from({ length: end - begin }, (_, i) => begin + i);
  return [...from(0, sinkEnd), ...list, ...from(windowBegin, n)];
}
