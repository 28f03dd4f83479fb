import { expect, test } from 'vitest';
import { Random, runSeed } from '../kernels/testing/random.ts';
import { mergeRanges } from './range-merge.ts';

const bounds = (ranges: readonly { begin: number; end: number }[]) => ranges.map((r) => [r.begin, r.end]);
const range = (begin: number, end: number) => ({ begin, end });

test('nothing gives nothing', () => {
  expect(mergeRanges([], { maxGap: 10, maxLength: 100 })).toEqual([]);
});

test('neighbours join up to the gap and the length, in file order', () => {
  const ranges = [range(50, 60), range(0, 10), range(10, 20), range(25, 30), range(36, 40)];
  expect(bounds(mergeRanges(ranges, { maxGap: 5, maxLength: 100 }))).toEqual([
    [0, 30],
    [36, 40],
    [50, 60],
  ]);
  expect(bounds(mergeRanges(ranges, { maxGap: 100, maxLength: 30 }))).toEqual([
    [0, 30],
    [36, 60],
  ]);
});

test('a range longer than the limit stays whole and alone', () => {
  const ranges = [range(0, 5), range(5, 500), range(500, 505)];
  expect(bounds(mergeRanges(ranges, { maxGap: 0, maxLength: 20 }))).toEqual(bounds(ranges));
});

test('overlapping and contained ranges keep all their members', () => {
  const merged = mergeRanges([range(0, 100), range(10, 20), range(50, 120)], { maxGap: 0, maxLength: 1000 });
  expect(bounds(merged)).toEqual([[0, 120]]);
  expect(merged[0]?.members.length).toBe(3);
});

test('a range that ends before it begins is our own mistake', () => {
  expect(() => mergeRanges([range(3, 2)], { maxGap: 0, maxLength: 1 })).toThrow(/Internal error/);
});

test(`random ranges: every one is inside exactly one read, reads are bounded and apart (seed ${runSeed})`, () => {
  const random = new Random(runSeed);
  for (let round = 0; round < 200; round++) {
    const ranges: { begin: number; end: number }[] = [];
    for (let at = random.integer(0, 50), left = random.integer(1, 40); left > 0; left--) {
      const begin = at + random.integer(0, 30);
      at = begin + random.integer(0, 60);
      ranges.splice(random.integer(0, ranges.length), 0, range(begin, at));
    }
    const options = { maxGap: random.integer(0, 20), maxLength: random.integer(1, 300) };
    const merged = mergeRanges(ranges, options);
    expect(new Set(merged.flatMap((read) => read.members))).toEqual(new Set(ranges));
    expect(merged.flatMap((read) => read.members).length).toBe(ranges.length);
    for (const [i, read] of merged.entries()) {
      expect(read.begin).toBe(Math.min(...read.members.map((member) => member.begin)));
      expect(read.end).toBe(Math.max(...read.members.map((member) => member.end)));
      expect(read.members.length === 1 || read.end - read.begin <= options.maxLength).toBe(true);
      const next = merged[i + 1];
      if (!next) continue;
      const couldJoin =
        next.begin - read.end <= options.maxGap && next.members[0]!.end - read.begin <= options.maxLength;
      expect(couldJoin).toBe(false);
    }
  }
});
