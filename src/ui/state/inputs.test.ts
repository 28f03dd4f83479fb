import { describe, expect, test } from 'vitest';
import { parseChatRequest } from '../../engine/chat/parse-request.ts';
import { AppError, type AttentionFacts } from '../../engine/index.ts';
import { automaticInWords, signatureNotes } from './attention-facts.ts';
import {
  type AttentionSettings,
  attentionOptions,
  defaultAttention,
  layersAsTyped,
  parseAttention,
  parseLayers,
} from './attention-settings.ts';
import { answerAdvice, faultFrom, loadAdvice } from './fault.ts';
import { formatBytes, formatDuration, formatParameters, formatRate } from './format.ts';
import { isLongQuestion, lastLine } from './long-question.ts';
import { choiceFromDraft, emptyDraft } from './model-choice.ts';
import { parseTyped } from './number-range.ts';
import { parsePageConfig } from './page-config.ts';
import {
  defaultSettings,
  parseSettings,
  samplingFields,
  toRequestFields,
  unsetSampling,
} from './settings.ts';

const page = 'https://page.example/app/';

describe('choosing a model', () => {
  const choose = (fields: Partial<typeof emptyDraft>) =>
    choiceFromDraft({ ...emptyDraft, ...fields }, { label: 'D', reference: 'd' }, page);

  test.each([
    ['owner/name', 'owner/name'],
    [' owner/na.me-1 ', 'owner/na.me-1'],
    ['https://huggingface.co/owner/name', 'owner/name'],
    ['https://huggingface.co/owner/name/tree/main', 'owner/name'],
    ['huggingface', null],
    ['a/b/c', null],
    ['', null],
  ])('the repository typed as %j is %j', (repo, expected) => {
    const result = choose({ repo });
    if (expected === null) expect(result).toMatchObject({ ok: false, field: 'repo' });
    else expect(result).toMatchObject({ choice: { options: { model: { kind: 'hub', repo: expected } } } });
  });

  test('an access token goes with a hub model only', () => {
    const secret = { accessToken: 'hf_x', revision: 'v1' };
    expect(choose({ ...secret, repo: 'o/n' })).toMatchObject({
      choice: { options: { accessToken: 'hf_x', revision: 'v1' } },
    });
    const elsewhere = choose({ ...secret, source: 'url', url: 'https://other.example/m' });
    expect(JSON.stringify(elsewhere)).not.toContain('hf_x');
    expect(JSON.stringify(elsewhere)).not.toContain('v1');
  });

  test.each([
    ['models/a', `${page}models/a/`, 'a'],
    ['https://x.example/m%20n/', 'https://x.example/m%20n/', 'm n'],
    ['http://localhost:8080', 'http://localhost:8080/', 'localhost:8080'],
    ['https://x.example/%zz', 'https://x.example/%zz/', '%zz'],
  ])('the address %j becomes %s, called %s', (url, href, label) => {
    expect(choose({ source: 'url', url })).toMatchObject({
      choice: { label, options: { model: { kind: 'url', url: href } } },
    });
  });

  test.each(['', 'javascript:alert(1)', 'file:///etc', 'data:text/plain,x'])(
    'the address %j is refused',
    (url) => {
      expect(choose({ source: 'url', url })).toMatchObject({ ok: false, field: 'url' });
    },
  );

  test.each(['0', '-1', '1.5', 'many', '1e400'])('the context length %j is refused', (contextLength) => {
    expect(choose({ repo: 'o/n', contextLength })).toMatchObject({ ok: false, field: 'contextLength' });
  });

  test('options left alone are absent, others are passed on', () => {
    expect(choose({ source: 'default' })).toEqual({
      ok: true,
      choice: { label: 'D', sampling: unsetSampling, options: { model: 'd', weights: 'q4' } },
    });
    expect(choose({ repo: 'o/n', contextLength: '16384', extendContext: true })).toMatchObject({
      choice: { options: { contextLength: 16384, extendContext: 'yarn' } },
    });
  });

  test('no folder chosen is said', () => {
    expect(choose({ source: 'folder' })).toMatchObject({ ok: false, field: 'folder' });
  });
});

describe('the page configuration', () => {
  test('a default model beside the page', () => {
    expect(
      parsePageConfig(
        { defaultModel: 'models/a/', autoLoad: true, sampling: { temperature: 0.2, topP: 7 } },
        page,
      ),
    ).toEqual({
      defaultModel: {
        label: 'a',
        reference: { kind: 'url', url: `${page}models/a/` },
        sampling: { ...unsetSampling, temperature: 0.2 },
      },
      autoLoad: true,
    });
  });

  test('a default model on the hub', () => {
    expect(parsePageConfig({ defaultModel: { repo: 'o/n', revision: 'r' } }, page).defaultModel).toEqual({
      label: 'o/n',
      reference: { kind: 'hub', repo: 'o/n', revision: 'r' },
      sampling: unsetSampling,
    });
  });

  test.each([null, 3, {}, { defaultModel: 7 }, { defaultModel: { repo: 1 } }, { autoLoad: 'yes' }])(
    '%j offers none',
    (json) => {
      expect(parsePageConfig(json, page)).toEqual({ defaultModel: null, autoLoad: false });
    },
  );
});

describe('settings', () => {
  const field = (name: string) => samplingFields.find((candidate) => candidate.name === name)!;

  test.each(samplingFields)('the engine takes all that the page does: $name', ({ name, min, max }) => {
    for (const value of [min, max]) {
      const fields = toRequestFields({ ...unsetSampling, [name]: value });
      const request = { messages: [{ role: 'user', content: 'q' }], ...fields };
      expect(() => parseChatRequest(request, { vocab: 9, samplingDefaults: {} })).not.toThrow();
    }
  });

  test('empty means the model decides; what is not allowed is refused', () => {
    expect(parseTyped(field('temperature'), '  ')).toBe(null);
    expect(parseTyped(field('temperature'), '0')).toBe(0);
    expect(parseTyped(field('temperature'), '0.7')).toBe(0.7);
    expect(parseTyped(field('temperature'), '-1')).toBe(undefined);
    expect(parseTyped(field('topP'), '1.01')).toBe(undefined);
    expect(parseTyped(field('topK'), '2.5')).toBe(undefined);
    expect(parseTyped(field('seed'), 'abc')).toBe(undefined);
    expect(parseTyped(field('seed'), '4294967296')).toBe(undefined);
  });

  test('what was stored comes back; anything else becomes the default', () => {
    const settings = {
      systemPrompt: 's',
      sampling: { ...defaultSettings.sampling, topP: 0.9, seed: 1 },
      attention: {
        ...{ mode: 'sparse' as const, method: 'published' as const, selectedOneIn: 0, selected: 5 },
        ...{ sink: 0, window: 7, tail: 'none' as const, denseLayers: [3], layerBudgets: 'uniform' as const },
      },
      theme: 'dark' as const,
    };
    expect(parseSettings(JSON.parse(JSON.stringify(settings)))).toEqual(settings);
    for (const bad of [
      null,
      'x',
      [],
      { sampling: { topP: 'high', topK: 1.5 }, theme: 'pink', systemPrompt: 1 },
    ]) {
      expect(parseSettings(bad)).toEqual(defaultSettings);
    }
  });

  test('settings left to the model are not sent', () => {
    expect(toRequestFields(defaultSettings.sampling)).toEqual({});
    expect(toRequestFields({ ...defaultSettings.sampling, temperature: 0, minP: 0.1 })).toEqual({
      temperature: 0,
      min_p: 0.1,
    });
  });
});

describe('attention settings', () => {
  const standard = { budget: { fraction: 1 / 16 }, sink: 128, window: 128 };
  const options = (fields: Partial<AttentionSettings>) =>
    attentionOptions({ ...defaultAttention, ...fields });

  test('dense asks for nothing else; automatic leaves to the engine where sparse begins; sparse begins at once', () => {
    expect(options({ mode: 'dense', sink: 3 })).toEqual({ mode: 'dense' });
    expect(options({})).toEqual({ mode: 'hash', ...standard });
    expect(options({ mode: 'sparse' })).toEqual({ mode: 'hash', ...standard, denseBelow: 0 });
  });

  test('budgets, ranges, tail and dense layers are passed on', () => {
    const set = { selectedOneIn: 64, sink: 0, window: 5, tail: 'mean' as const, denseLayers: [0, 2] };
    expect(options(set)).toEqual({
      ...{
        mode: 'hash',
        budget: { fraction: 1 / 64 },
        sink: 0,
        window: 5,
        tail: 'mean',
        denseLayers: [0, 2],
      },
    });
    expect(options({ selectedOneIn: 0 })).toMatchObject({ budget: { tokens: 256 } });
    expect(options({ layerBudgets: 'uniform' })).toMatchObject({ mode: 'hash', layerBudgets: 'uniform' });
    expect(options({ layerBudgets: 'uniform', method: 'oracle' })).not.toHaveProperty('layerBudgets');
    expect(options({ selectedOneIn: 0, selected: 0 })).toMatchObject({ budget: { tokens: 0 } });
  });

  test.each([
    ['trained', { mode: 'hash', ...standard }],
    ['asymmetric', { mode: 'hash', score: 'asymmetric', ...standard }],
    ['hamming', { mode: 'hash', score: 'hamming', ...standard }],
    ['oracle', { mode: 'oracle', ...standard }],
    ['random', { mode: 'random', ...standard }],
    ['streaming', { mode: 'streaming', sink: 128, window: 128 }],
  ] as const)('chosen by %s', (method, expected) => {
    expect(options({ method })).toEqual(expected);
  });

  test('as published means a list per query head, no tail, no dense layers, equal budgets, whatever is set', () => {
    expect(options({ method: 'published', tail: 'mean', denseLayers: [1] })).toEqual({
      ...{ mode: 'hash', score: 'hamming', lists: 'query-head', ...standard, tail: 'none', denseLayers: [] },
      layerBudgets: 'uniform',
    });
  });

  test('what was stored when a tail was on or off is understood', () => {
    expect(parseAttention({ tail: true })).toEqual({ ...defaultAttention, tail: 'blocks' });
    expect(parseAttention({ tail: false })).toEqual({ ...defaultAttention, tail: 'none' });
  });

  test.each([
    { mode: 'hash' },
    { method: 'quest' },
    { selectedOneIn: 5 },
    { selectedOneIn: '8' },
    { selected: -1 },
    { sink: -1 },
    { window: 0 },
    { tail: 'yes' },
    { layerBudgets: [1] },
    { denseLayers: [1.5] },
    { denseLayers: 3 },
  ])('%j is not used', (stored) => {
    expect(parseAttention(stored)).toEqual(defaultAttention);
  });

  test.each([
    ['', null],
    ['none', []],
    [' 0, 5 29 ', [0, 5, 29]],
    ['0,', undefined],
    ['first', undefined],
    ['-1', undefined],
  ])('dense layers typed as %j', (typed, expected) => {
    const layers = parseLayers(typed);
    if (expected === undefined || expected === null || expected.length === 0)
      expect(layers).toEqual(expected);
    else expect(parseLayers(layersAsTyped(layers ?? null))).toEqual(expected);
  });

  test('layers that the loaded model does not have are none', () => {
    expect(parseLayers('0, 29', 30)).toEqual([0, 29]);
    expect(parseLayers('0, 30', 30)).toBeUndefined();
  });
});

describe('a long question', () => {
  test('is one of more lines than fifteen, as written or as wrapped', () => {
    expect(isLongQuestion('line\n'.repeat(14))).toBe(false);
    expect(isLongQuestion('line\n'.repeat(15))).toBe(true);
    expect(isLongQuestion('x'.repeat(15 * 75))).toBe(false);
    expect(isLongQuestion('x'.repeat(15 * 75 + 1))).toBe(true);
  });

  test('ends with what is asked, unless that is long too', () => {
    expect(lastLine('a text\n\n What is it about?\n\n')).toBe('What is it about?');
    expect(lastLine(`a\n${'x'.repeat(300)}`)).toHaveLength(300);
    expect(lastLine(`a\n${'x'.repeat(301)}`)).toBe('');
  });
});

describe('facts about sparse attention', () => {
  const facts: AttentionFacts = {
    ...{ crossoverTokens: 5400, maps: 'trained', score: 'asymmetric', bits: 32, sharing: 'kv-head' },
    layerBudgets: null,
  };

  test('what automatic means', () => {
    expect(automaticInWords(null)).toMatch(/^sparse from the length at which/);
    expect(automaticInWords(facts)).toMatch(/^sparse from 5,400 tokens on/);
    expect(automaticInWords({ ...facts, crossoverTokens: null })).toMatch(/^dense, .* gains nothing/);
    expect(automaticInWords({ ...facts, mapsWarning: 'w' })).toMatch(/^dense, .* do not fit/);
  });

  test('untrained signatures are labelled, and what is wrong with trained ones is said', () => {
    expect(signatureNotes(null)).toEqual([]);
    expect(signatureNotes(facts)).toEqual([
      expect.stringMatching(/^Signatures trained for this model: 32 bits/),
    ]);
    expect(signatureNotes({ ...facts, maps: 'untrained' })).toEqual([expect.stringMatching(/^Untrained/)]);
    expect(signatureNotes({ ...facts, mapsWarning: 'w' })).toHaveLength(2);
    expect(signatureNotes({ ...facts, layerBudgets: [0.31, 1.2, 1.49] })[1]).toMatch(
      /from 0\.3 to 1\.5 times/,
    );
  });
});

describe('faults', () => {
  test('typed errors keep code and message, plain forms too, others are internal', () => {
    expect(faultFrom(new AppError('context-full', 'm'))).toEqual({ code: 'context-full', message: 'm' });
    expect(faultFrom({ code: 'out-of-memory', message: 'm' })).toEqual({
      code: 'out-of-memory',
      message: 'm',
    });
    expect(faultFrom({ code: 'toString', message: 'm' })).toEqual({ code: 'internal', message: 'm' });
    expect(faultFrom(new TypeError('m'))).toEqual({ code: 'internal', message: 'm' });
    expect(faultFrom('m')).toEqual({ code: 'internal', message: 'm' });
  });

  test('every kind of failure offers something to do', () => {
    for (const code of ['download-failed', 'device-lost', 'aborted', 'internal', 'storage-full'] as const) {
      expect(loadAdvice(code).actions.length).toBeGreaterThan(0);
      expect(answerAdvice(code).actions.length).toBeGreaterThan(0);
    }
    expect(answerAdvice('context-full').actions).toContain('new-chat');
    expect(loadAdvice('model-unsupported').actions).toEqual(['choose-model']);
  });
});

describe('figures as text', () => {
  test('bytes', () => {
    expect([0, 999, 1000, 9_949, 98_351_224, 999_600, 1.5e9].map(formatBytes)).toEqual([
      ...['0 B', '999 B', '1.0 kB', '9.9 kB', '98 MB', '1.0 MB', '1.5 GB'],
    ]);
  });

  test('durations', () => {
    expect([0, 31.4, 999.4, 999.6, 9_940, 9_960, 59_940, 59_960, 119_700].map(formatDuration)).toEqual([
      ...['0 ms', '31 ms', '999 ms', '1.00 s', '9.94 s', '10.0 s', '59.9 s', '1 min 0 s', '2 min 0 s'],
    ]);
  });

  test('rates and parameters', () => {
    expect([2.345, 41.26, 812.4].map(formatRate)).toEqual(['2.35 tok/s', '41.3 tok/s', '812 tok/s']);
    expect([134_515_008, 999_600_000, 7_241_732_096].map(formatParameters)).toEqual([
      '135 M',
      '1.0 B',
      '7.2 B',
    ]);
  });
});
