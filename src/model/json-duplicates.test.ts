import { expect, test } from 'vitest';
import { findDuplicateKey } from './json-duplicates.ts';

test.each<[string, string | null]>([
  ['{}', null],
  ['[]', null],
  ['"a"', null],
  ['{"a":1,"b":2}', null],
  ['{"a":1,"a":2}', 'a'],
  ['{"a":1,"\\u0061":2}', 'a'],
  ['{"a" \n : 1, "a" : 2}', 'a'],
  ['{"a":"a","b":["a","a"]}', null],
  ['{"a":{"a":{"a":1}}}', null],
  ['{"x":[{"a":1},{"a":1}]}', null],
  ['{"x":[{"a":1},{"a":1,"b":{},"a":2}]}', 'a'],
  ['{"x":{"y":1},"x":{"z":1}}', 'x'],
  ['{"quote\\"":1,"quote\\"":2}', 'quote"'],
  ['{"a":"\\\\","b":"{\\"a\\":1","a":3}', 'a'],
  ['{"":1,"":2}', ''],
  ['{"__proto__":1,"__proto__":2}', '__proto__'],
])('%s', (text, expected) => {
  expect(JSON.parse(text)).toBeDefined();
  expect(findDuplicateKey(text)).toBe(expected);
});
