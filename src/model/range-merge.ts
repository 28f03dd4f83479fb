/** Joins neighbouring byte ranges, so that a file is read in few requests of bounded length. */
import { invariant } from '../errors.ts';

/** Byte offsets; `end` is exclusive. */
export interface ByteRange {
  readonly begin: number;
  readonly end: number;
}

export interface MergedRange<T extends ByteRange> extends ByteRange {
  /** The ranges inside, by begin. */
  readonly members: readonly T[];
}

/** Merges ranges whose gap is at most `maxGap` bytes while the result stays within `maxLength` bytes.
 *  A range longer than `maxLength` stays whole and alone. Returns them by begin, none overlapping where none did. */
export function mergeRanges<T extends ByteRange>(
  ranges: readonly T[],
  { maxGap, maxLength }: { readonly maxGap: number; readonly maxLength: number },
): MergedRange<T>[] {
  const merged: { begin: number; end: number; members: T[] }[] = [];
  const sorted = [...ranges].sort((a, b) => a.begin - b.begin || a.end - b.end);
  for (const range of sorted) {
    invariant(range.begin <= range.end, `byte range ends (${range.end}) before it begins (${range.begin})`);
    const last = merged.at(-1);
    const end = Math.max(last?.end ?? 0, range.end);
    if (last && range.begin - last.end <= maxGap && end - last.begin <= maxLength) {
      last.end = end;
      last.members.push(range);
    } else {
      merged.push({ begin: range.begin, end: range.end, members: [range] });
    }
  }
  return merged;
}
