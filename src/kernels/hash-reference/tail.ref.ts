/** What stands in the softmax for the tokens left out: means of keys and values, and how many tokens each counts for. */
import { blockTokens, type TailKind } from '../shared/token-blocks.ts';
import type { TokenRanges } from './token-set.ref.ts';

/** Means of blocks depend on which tokens are candidates, and on how many of them are selected. */
export type Tail = Exclude<TailKind, 'blocks'> | { readonly blocks: TokenRanges };

/** One token more: its key and its value are means over `averaged`, its weight is log(count). */
export interface TailToken {
  readonly averaged: readonly number[];
  readonly count: number;
}

export function tailOf(kind: TailKind, ranges: TokenRanges): Tail {
  return kind === 'blocks' ? { blocks: ranges } : kind;
}

/** none: nothing. mean: one for all tokens of [0, n) that are not attended to. blocks: one for each block of tokens with c
 *  candidates in it, over all its tokens so far, of count c · (1 − selected / candidates); nothing where all are selected. */
export function tailTokens(tail: Tail, n: number, attended: ReadonlySet<number>): TailToken[] {
  if (tail === 'none') return [];
  if (tail === 'mean') {
    const averaged = range(0, n).filter((token) => !attended.has(token));
    return averaged.length === 0 ? [] : [{ averaged, count: averaged.length }];
  }
  const { sinkEnd, windowStart, selected } = tail.blocks;
  const candidates = windowStart - sinkEnd;
  if (selected === candidates) return [];
  return range(0, Math.ceil(n / blockTokens)).flatMap((block) => {
    const averaged = range(block * blockTokens, Math.min((block + 1) * blockTokens, n));
    const own = averaged.filter((token) => token >= sinkEnd && token < windowStart).length;
    return own === 0 ? [] : [{ averaged, count: own * (1 - selected / candidates) }];
  });
}

function range(begin: number, end: number): number[] {
  return Array.from({ length: end - begin }, (_, i) => begin + i);
}
