import { expect, test } from 'vitest';
import { fingerprint } from '../../eval/fingerprint.ts';

test('a fingerprint follows from the ids alone, and from their order, number and every one of them', () => {
  const ids = [5, 17, 49151, 0, 17];
  expect(fingerprint([...ids])).toBe(fingerprint(ids));
  const others = [[5, 17, 49151, 0], [...ids, 0], [17, 5, 49151, 0, 17], [5, 17, 49150, 0, 17], []];
  expect(new Set([ids, ...others].map(fingerprint)).size).toBe(others.length + 1);
  for (const each of [ids, ...others]) expect(fingerprint(each)).toMatch(/^[0-9a-f]{8}$/);
});
