/** The README is true: its examples are the type-checked files beside this one, and its file map names what exists. */
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const root = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');

test.each(['chat.ts', 'node.ts'])('the example in the README is the one that is type-checked: %s', (file) => {
  const example = read(`test/readme/${file}`).replace('../../src', './src');
  expect(read('README.md')).toContain(`\`\`\`ts\n${example}\`\`\``);
});

test('every path and link in the README exists', () => {
  const readme = read('README.md');
  const map = /```\n(package\.json[^`]*)```/.exec(readme)?.[1] ?? '';
  const paths = map.split('\n').map((line) => line.split(/\s{2,}/)[0]!);
  const links = [...readme.matchAll(/\]\(([^):]+)\)/g)].map(([, path]) => path!);
  const named = [...paths.filter((path) => path !== ''), ...links];
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((path) => !existsSync(new URL(path, root)))).toEqual([]);
});
