import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { fillPage } from '../../eval/fill-page.ts';
import type { PolicyName } from '../../eval/policies.ts';
import type { EvalRecord } from '../../eval/records.ts';

const dense: PolicyName = { selector: 'dense', maps: '', fraction: 1, tail: 'none' };
const hash: PolicyName = { selector: 'hash', maps: 'mine', fraction: 1 / 16, tail: 'mean' };
const streaming: PolicyName = { selector: 'streaming', maps: '', fraction: 0, tail: 'none' };

function windowOf(policy: PolicyName, window: string, loss: number, bytes: number): EvalRecord {
  return { kind: 'window', policy, context: 8, window, loss, tokens: 4, bytes, ms: 1 };
}

const records: EvalRecord[] = [
  windowOf(dense, 'a.txt 0 12ab', 8, 100e6),
  windowOf(dense, 'b.txt 8 34cd', 12, 100e6),
  windowOf(hash, 'a.txt 0 12ab', 8.04, 10e6),
  windowOf({ ...hash, fraction: 1 / 4, proxy: 'mean-64-block-estimated' }, 'a.txt 0 12ab', 8, 20e6),
  windowOf({ ...hash, fraction: 1 / 4, proxy: 'mean-64-block-estimated' }, 'b.txt 8 34cd', 12, 20e6),
  windowOf({ ...hash, layer0: 'sparse' }, 'b.txt 8 34cd', 12.04, 9e6),
  windowOf(streaming, 'a.txt 0 12ab', 9, 5e6),
  windowOf(streaming, 'b.txt 8 34cd', 13, 5e6),
  {
    ...{ kind: 'needle', policy: hash, prompt: 0, set: 'one gate (kept aside)' },
    ...{ length: 9, depth: 0.5, isRight: true },
  },
  { kind: 'needle', policy: hash, prompt: 1, set: 'needle-1', length: 9, depth: 0.5, isRight: false },
  { kind: 'quality', policy: hash, window: 'a.txt 0 12ab', layers: [{ layer: 1, mass: 0.5, recall: 0.2 }] },
  { kind: 'quality', policy: hash, window: 'b.txt 8 34cd', layers: [{ layer: 1, mass: 0.7, recall: 0.4 }] },
];

const files = new Map([['records', records]]);

describe('tables of a page', () => {
  const tableOf = (name: string): string[] =>
    fillPage(`before\n<!-- ${name} -->\nold\n<!-- end -->\nafter`, files).split('\n');

  test('perplexity by policy and budget', () => {
    expect(tableOf('perplexity 8')).toEqual([
      'before',
      '<!-- perplexity 8 -->',
      '',
      '| policy | rest | 1/4 | 1/16 |',
      '| --- | --- | --- | --- |',
      '| hash (mine) | one mean |  | +1.01 % (1 windows) |',
      '| hash (mine) | one mean; no layer dense |  | +1.01 % (1 windows) |',
      '| streaming | nothing; no layer dense | +28.40 % | +28.40 % |',
      '| hash (mine) | blocks of 64, whole, estimated | +0.00 % |  |',
      '',
      '<!-- end -->',
      'after',
    ]);
  });

  test('bytes, windows, needles, choice', () => {
    expect(tableOf('bytes 8')).toContain(
      '| hash (mine) | blocks of 64, whole, estimated | 20.0 MB, 20.0 % |  |',
    );
    expect(tableOf('windows 8 16')).toContain('| hash (mine) | one mean | +1.01 % |  |');
    expect(tableOf('needles')).toContain('| hash (mine) | one mean | 1/16 | 1/2 | 0/1 | 0/0 | 1/1 |');
    expect(tableOf('choice')).toContain('| hash (mine) | 1/16 | 0.600 | 0.300 |');
  });

  test('a table made again is the same; a name of none is refused', () => {
    const once = fillPage('<!-- needles -->\n<!-- end -->\n', files);
    expect(fillPage(once, files)).toBe(once);
    expect(() => fillPage('<!-- colours -->\n<!-- end -->', files)).toThrow(/colours/);
    expect(() => fillPage('<!-- needles in others -->\n<!-- end -->', files)).toThrow(/others.jsonl/);
  });
});

test('docs/quality.md says what its records say', () => {
  const page = readFileSync('docs/quality.md', 'utf8');
  const names = readdirSync('docs/quality').filter((name) => name.endsWith('.jsonl'));
  const kept = names.map((name): [string, EvalRecord[]] => {
    const lines = readFileSync(`docs/quality/${name}`, 'utf8').trim().split('\n');
    return [name.replace('.jsonl', ''), lines.map((line) => JSON.parse(line) as EvalRecord)];
  });
  expect(page).toContain('<!-- perplexity 8192 -->');
  expect(fillPage(page, new Map(kept))).toBe(page);
});
