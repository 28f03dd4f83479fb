/** A set of byte positions, kept as sorted, disjoint, non-touching intervals [begin, end). */
export class ByteRanges {
  readonly #intervals: [begin: number, end: number][] = [];

  /** Bytes in the set. */
  get total(): number {
    return this.#intervals.reduce((sum, [begin, end]) => sum + end - begin, 0);
  }

  /** One past the last byte in the set; 0 when empty. */
  get end(): number {
    return this.#intervals.at(-1)?.[1] ?? 0;
  }

  /** The intervals in order. */
  [Symbol.iterator](): Iterator<readonly [begin: number, end: number]> {
    return this.#intervals.values();
  }

  add(begin: number, end: number): void {
    if (begin >= end) return;
    const first = this.#intervals.findIndex((interval) => interval[1] >= begin);
    if (first < 0) {
      this.#intervals.push([begin, end]);
      return;
    }
    let last = first;
    while (last < this.#intervals.length && this.#intervals[last]![0] <= end) last++;
    const merged: [number, number] =
      last === first
        ? [begin, end]
        : [Math.min(begin, this.#intervals[first]![0]), Math.max(end, this.#intervals[last - 1]![1])];
    this.#intervals.splice(first, last - first, merged);
  }

  /** End of the unbroken run of bytes that are in the set from `position` on; `position` when it is not in the set. */
  runEnd(position: number): number {
    const interval = this.#intervals.find(([begin, end]) => begin <= position && position < end);
    return interval ? interval[1] : position;
  }

  /** First position in the set at or after `position`; Infinity when there is none. */
  nextBegin(position: number): number {
    const interval = this.#intervals.find(([, end]) => end > position);
    return interval ? Math.max(position, interval[0]) : Number.POSITIVE_INFINITY;
  }

  clear(): void {
    this.#intervals.length = 0;
  }
}
