import { expect, test } from 'vitest';
import { fileUrl } from './file-path.ts';

test.each([
  ['https://x.example', 'config.json', 'https://x.example/config.json'],
  ['https://x.example/a/b/', 'sub/c d.json', 'https://x.example/a/b/sub/c%20d.json'],
  ['https://x.example/a?sig=1&b=2', 'c#1?.json', 'https://x.example/a/c%231%3F.json?sig=1&b=2'],
])('%s and %s give %s', (base, path, url) => {
  expect(fileUrl(base, path)).toBe(url);
});
