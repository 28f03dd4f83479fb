import { expect, test } from 'vitest';
import { strftime } from './strftime.ts';

const evening = new Date(2024, 6, 4, 21, 5, 9); // a Thursday

test.each([
  ['%d %b %Y', '04 Jul 2024'],
  ['%Y-%m-%d', '2024-07-04'],
  ['%B %-d, %y', 'July 4, 24'],
  ['%A %a', 'Thursday Thu'],
  ['%H:%M:%S', '21:05:09'],
  ['%I %p', '09 PM'],
  ['100%% %Q %', '100% %Q %'],
  ['', ''],
])('%s', (format, expected) => {
  expect(strftime(evening, format)).toBe(expected);
});

test('midnight and noon are 12', () => {
  expect(strftime(new Date(2024, 0, 1, 0), '%I %p')).toBe('12 AM');
  expect(strftime(new Date(2024, 0, 1, 12), '%I %p')).toBe('12 PM');
});
