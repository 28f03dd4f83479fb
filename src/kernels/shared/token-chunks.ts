/** How candidates are counted: see token-chunks.wgsl and selection.wgsl. */
import { invariant } from '../../errors.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { BufferSlice } from '../runtime/tensor.ts';

const groupTokens = 32;
const maxChunks = 32;
/** Runs of bins, whose counts narrow the search for a threshold. */
const runs = 32;

/** Distances of every list's candidates, and how many of each chunk of them lie within each distance. */
export interface CountedTokens extends CountedShape {
  /** 32-bit words, as many as `countedWords` says. */
  readonly buffer: BufferSlice;
}

export interface CountedShape {
  /** A multiple of 4, at most 32. */
  readonly chunks: number;
  /** The largest possible distance, plus 1. */
  readonly bins: number;
}

/** Word where the counts begin: distances are before them, two to a word, a list's candidates in whole groups of 32. */
export function countsAt(lists: number, capacity: number): number {
  return (lists * Math.ceil(capacity / groupTokens) * groupTokens) / 2;
}

export function countedWords(lists: number, capacity: number, { chunks, bins }: CountedShape): number {
  return countsAt(lists, capacity) + lists * chunks * runs * (1 + fineBinsOf(bins));
}

/** Bins to a run: a power of two, so that 32 runs cover all. */
export function fineBinsOf(bins: number): number {
  return Math.max(4, 2 ** Math.ceil(Math.log2(bins / runs)));
}

/** Refuses a buffer that is too small; returns its bytes. */
export function checkCounted(label: string, counted: CountedTokens, lists: number, capacity: number): number {
  const { chunks, buffer } = counted;
  invariant(
    chunks >= 4 && chunks <= maxChunks && chunks % 4 === 0,
    `${label}: chunks must be a multiple of 4 up to ${maxChunks}, got ${chunks}`,
  );
  const bytes = 4 * countedWords(lists, capacity, counted);
  expectBytes(`${label}: counted`, buffer, bytes);
  return bytes;
}
