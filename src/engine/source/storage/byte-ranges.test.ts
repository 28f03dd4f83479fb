import { expect, test } from 'vitest';
import { Random, runSeed } from '../../../kernels/testing/random.ts';
import { ByteRanges } from './byte-ranges.ts';

test(`byte ranges agree with a list of flags under random additions (seed ${runSeed})`, () => {
  const random = new Random(runSeed);
  for (let round = 0; round < 40; round++) {
    const length = random.integer(1, 60);
    const flags = new Array<boolean>(length).fill(false);
    const ranges = new ByteRanges();
    for (let step = 0; step < 12; step++) {
      const begin = random.integer(0, length);
      const end = random.integer(begin, Math.min(length, begin + 12));
      ranges.add(begin, end);
      flags.fill(true, begin, end);
      for (let position = 0; position <= length; position++) {
        const firstGap = flags.indexOf(false, position);
        const firstByte = flags.indexOf(true, position);
        expect(ranges.runEnd(position)).toBe(
          position >= length ? position : firstGap < 0 ? length : firstGap,
        );
        expect(ranges.nextBegin(position)).toBe(firstByte < 0 ? Number.POSITIVE_INFINITY : firstByte);
      }
      expect(ranges.total).toBe(flags.filter(Boolean).length);
      expect(ranges.end).toBe(flags.lastIndexOf(true) + 1);
    }
    ranges.clear();
    expect([ranges.total, ranges.end, ranges.runEnd(0)]).toEqual([0, 0, 0]);
  }
});
