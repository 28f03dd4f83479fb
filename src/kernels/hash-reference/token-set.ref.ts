/** Which tokens a list attends to: the first, the last, and the nearest of those between. */

/** Tokens; `share` is of the context, in 1/65536, so that its floor is exact. `window` counts the current token. */
export interface TokenBudget {
  readonly sink: number;
  readonly window: number;
  readonly count: number;
  readonly share: number;
}

/** Half-open ranges over [0, n) that meet and never overlap: where sink and window would, the window has the token. */
export interface TokenRanges {
  /** [0, sinkEnd) */
  readonly sinkEnd: number;
  /** [windowStart, n) */
  readonly windowStart: number;
  /** k: how many of the candidates [sinkEnd, windowStart) are selected. */
  readonly selected: number;
}

/** k = min(max(count, floor(n · share / 65536)), candidates).
 *  @param n tokens in the context, the current one included */
export function tokenRanges(n: number, { sink, window, count, share }: TokenBudget): TokenRanges {
  const windowStart = Math.max(n - window, 0);
  const sinkEnd = Math.min(sink, windowStart);
  const wanted = Math.max(count, Math.floor((n * share) / 65536));
  return { sinkEnd, windowStart, selected: Math.min(wanted, windowStart - sinkEnd) };
}

/** The `selected` candidates of smallest distance, the most recent first among equals, in ascending order.
 *  @param distances of every token, [n] */
export function selectTokens(distances: ArrayLike<number>, ranges: TokenRanges): number[] {
  const { sinkEnd, windowStart, selected } = ranges;
  return Array.from({ length: windowStart - sinkEnd }, (_, i) => sinkEnd + i)
    .sort((a, b) => distances[a]! - distances[b]! || b - a)
    .slice(0, selected)
    .sort((a, b) => a - b);
}

/** Sink, list and window in ascending order. */
export function attendedTokens(
  n: number,
  { sinkEnd, windowStart }: TokenRanges,
  list: readonly number[],
): number[] {
  const from = (begin: number, end: number) => Array.from({ length: end - begin }, (_, i) => begin + i);
  return [...from(0, sinkEnd), ...list, ...from(windowStart, n)];
}
