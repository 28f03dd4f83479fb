/** What is made of records: perplexities, needles found, tables, plots; and the command line. */
import { describe, expect, test } from 'vitest';
import { parseEvalOptions } from '../../eval/options.ts';
import { needlePlot } from '../../eval/plot-needles.ts';
import { qualityPlot } from '../../eval/plot-quality.ts';
import { type PolicyName, proxyLabel } from '../../eval/policies.ts';
import { type EvalRecord, perplexities, recordKey, retrievals } from '../../eval/records.ts';
import { markdownReport } from '../../eval/report.ts';
import { planStages } from '../../eval/stages.ts';

const dense: PolicyName = { selector: 'dense', maps: '', fraction: 1, tail: 'none' };
const hash: PolicyName = { selector: 'hash', maps: 'a<b', fraction: 1 / 16, tail: 'mean' };

function windowOf(policy: PolicyName, window: string, loss: number, bytes: number): EvalRecord {
  return { kind: 'window', policy, context: 8, window, loss, tokens: 4, bytes, ms: 1 };
}

function needleOf(policy: PolicyName, prompt: number, isRight: boolean): EvalRecord {
  const where = { length: 2000 * (prompt + 1), depth: 0.3 * prompt };
  return { kind: 'needle', policy, prompt, set: prompt === 0 ? 'one' : 'several', ...where, isRight };
}

const records: EvalRecord[] = [
  windowOf(dense, 'first', 8, 100),
  windowOf(dense, 'second', 12, 100),
  windowOf(hash, 'first', 9, 10),
  needleOf(dense, 0, true),
  needleOf(dense, 1, true),
  needleOf(hash, 0, true),
  needleOf(hash, 1, false),
  { kind: 'quality', policy: hash, window: 'first', layers: [{ layer: 1, mass: 0.5, recall: 0.25 }] },
  { kind: 'quality', policy: hash, window: 'second', layers: [{ layer: 1, mass: 0.7, recall: 0.75 }] },
];

describe('records', () => {
  test('perplexity is over all tokens, and compared with dense on the same windows only', () => {
    const [ofDense, ofHash] = perplexities(records);
    expect(ofDense).toMatchObject({
      policy: dense,
      windows: 2,
      perplexity: Math.exp(20 / 8),
      excess: 0,
      share: 1,
    });
    expect(ofHash).toMatchObject({ policy: hash, windows: 1, perplexity: Math.exp(9 / 4), share: 0.1 });
    expect(ofHash!.excess).toBeCloseTo(Math.exp(1 / 4) - 1, 12);
  });

  test('needles are counted by set and in all', () => {
    expect(retrievals(records)).toEqual([
      { policy: dense, set: 'all', prompts: 2, right: 2 },
      { policy: dense, set: 'one', prompts: 1, right: 1 },
      { policy: dense, set: 'several', prompts: 1, right: 1 },
      { policy: hash, set: 'all', prompts: 2, right: 1 },
      { policy: hash, set: 'one', prompts: 1, right: 1 },
      { policy: hash, set: 'several', prompts: 1, right: 0 },
    ]);
  });

  test('keys tell records apart, and not by what was found', () => {
    expect(new Set(records.map(recordKey)).size).toBe(records.length);
    expect(recordKey(needleOf(hash, 1, true))).toBe(recordKey(needleOf(hash, 1, false)));
  });
});

test('the report has a row for every policy and the mean over windows in every layer', () => {
  const facts = { model: 'm', device: 'd', date: 'today', command: 'c', seconds: 1, isComplete: true };
  const report = markdownReport(facts, records);
  expect(report).toContain('| hash (a<b) | 1/16 | mean | 9.488 | +28.40 % |');
  expect(report).toContain('| hash a<b 1/16 +mean | 1/2 | 1/1 | 0/1 |');
  expect(report).toContain('| 1 | 0.600 |');
  expect(report).toContain('| 1 | 0.500 |');
});

test('plots are well-formed and hold every point', () => {
  const quality = qualityPlot(perplexities(records), 8);
  const needles = needlePlot(records);
  for (const svg of [quality, needles]) {
    const open: string[] = [];
    for (const [, closing, name] of svg.matchAll(/<(\/?)(\w+)[^<>]*>/g)) {
      if (closing) expect(open.pop()).toBe(name);
      else open.push(name!);
    }
    expect(open).toEqual([]);
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  }
  expect(quality.match(/<circle/g)).toHaveLength(1);
  expect(quality).toContain('a&#60;b');
  expect(needles).toContain('>0/1<');
});

describe('the command line', () => {
  test('fractions, texts and maps are read', () => {
    const args = ['--fractions', '1/8,0.5', '--text', 'book.md,20,3', '--maps', 'mine=a.safetensors'];
    const proxies = ['mean-64', 'mass-all-block', 'spread-128-candidates-estimated'];
    const more = ['--contexts', '2048,8192', '--proxies', proxies.join()];
    const options = parseEvalOptions([...args, ...more]);
    expect(options.proxies.map(proxyLabel)).toEqual(proxies);
    expect(options).toMatchObject({
      fractions: [1 / 8, 0.5],
      texts: [{ file: 'book.md', start: 20, windows: 3 }],
      maps: [{ name: 'mine', file: 'a.safetensors' }],
      contexts: [8192, 2048],
    });
  });

  test.each([
    ['--fractions', '3/2', /fractions of the context/],
    ['--policies', 'hash,best', /expected some of hash/],
    ['--contexts', 'long', /--contexts: expected an integer/],
    ['--maps', 'file', /NAME=FILE/],
    ['--tails', 'blocks,some', /expected some of blocks/],
    ['--proxies', 'mean-63', /blocks of 64 tokens/],
    ['--proxies', 'mean-64-some', /blocks of 64 tokens/],
  ])('%s %s is refused', (option, value, message) => {
    expect(() => parseEvalOptions([option, value])).toThrow(message);
  });
});

test('every policy asked for is planned, dense in every stage that compares with it', () => {
  const window = { name: 'w', ids: [] };
  const stages = planStages({
    options: {
      policies: ['hash', 'hamming', 'oracle', 'random', 'streaming'],
      needlePolicies: ['oracle'],
      fractions: [1 / 16, 1 / 4],
      contexts: [8, 4],
      tails: ['blocks', 'none'],
      proxies: [],
      layerBudgets: [],
      otherLayer0: true,
    },
    maps: new Map(),
    windows: [window, window, window],
    prompts: [],
  });
  const scored = stages.filter((stage) => stage.kind === 'perplexity');
  expect(scored.map(({ context, windows }) => [context, windows.length])).toEqual(
    [8, 8, 8, 4, 8, 8, 4].map((context) => [context, 3]),
  );
  for (const { policies } of scored) expect(policies[0]!.options.mode).toBe('dense');
  // with blocks and no layer dense, with nothing and layer 0 dense
  const others = scored.slice(4, 6).map(({ policies }) => policies.slice(1));
  for (const [i, denseLayers] of [[], [0]].entries()) {
    expect(others[i]!.map(({ options }) => options)).toEqual([
      expect.objectContaining({ budget: { fraction: 1 / 16 }, denseLayers }),
    ]);
  }
  const modes = new Set(scored.flatMap(({ policies }) => policies.map(({ options }) => options.mode)));
  expect([...modes].sort()).toEqual(['dense', 'oracle', 'random', 'streaming']);
});
