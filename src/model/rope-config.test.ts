import { describe, expect, test } from 'vitest';
import { JsonFields } from './json-fields.ts';
import { extendContext, parseRopeConfig, yarnAttentionFactor } from './rope-config.ts';
import { thrownBy } from './testing/thrown-by.ts';

const trainedContext = 4096;
const parse = (config: Record<string, unknown>) =>
  parseRopeConfig(new JsonFields(config, 'config.json'), trainedContext);

describe('both spellings say the same', () => {
  test.each([
    [
      'none',
      { rope_theta: 5e5, rope_scaling: null },
      { rope_parameters: { rope_type: 'default', rope_theta: 5e5 } },
    ],
    [
      'linear, old key "type"',
      { rope_theta: 5e5, rope_scaling: { type: 'linear', factor: 2 } },
      { rope_parameters: { rope_type: 'linear', factor: 2, rope_theta: 5e5 } },
    ],
    [
      'llama3',
      {
        rope_theta: 5e5,
        rope_scaling: {
          rope_type: 'llama3',
          factor: 8,
          low_freq_factor: 1,
          high_freq_factor: 4,
          original_max_position_embeddings: 2048,
        },
      },
      {
        rope_parameters: {
          rope_type: 'llama3',
          rope_theta: 5e5,
          factor: 8,
          low_freq_factor: 1,
          high_freq_factor: 4,
          original_max_position_embeddings: 2048,
        },
      },
    ],
    [
      'yarn',
      { rope_theta: 5e5, rope_scaling: { type: 'yarn', factor: 4, original_max_position_embeddings: 1024 } },
      {
        rope_parameters: {
          rope_type: 'yarn',
          rope_theta: 5e5,
          factor: 4,
          original_max_position_embeddings: 1024,
        },
      },
    ],
  ])('%s', (kind, old, recent) => {
    expect(parse(old)).toEqual(parse(recent));
    expect(parse(old)).toMatchObject({ theta: 5e5, kind: kind === 'none' ? 'default' : kind.split(',')[0] });
  });
});

test('theta is 10000 unless told', () => {
  expect(parse({})).toEqual({ kind: 'default', theta: 10000 });
});

test('yarn: defaults, and every parameter', () => {
  expect(parse({ rope_scaling: { rope_type: 'yarn', factor: 4 } })).toEqual({
    kind: 'yarn',
    theta: 10000,
    factor: 4,
    originalContext: trainedContext,
    betaFast: 32,
    betaSlow: 1,
    attentionFactor: 0.1 * Math.log(4) + 1,
    truncate: true,
  });
  const all = {
    rope_type: 'yarn',
    factor: null,
    original_max_position_embeddings: 512,
    beta_fast: 24,
    beta_slow: 2,
    attention_factor: 1.5,
    truncate: false,
  };
  expect(parse({ rope_scaling: all })).toEqual({
    kind: 'yarn',
    theta: 10000,
    factor: 8,
    originalContext: 512,
    betaFast: 24,
    betaSlow: 2,
    attentionFactor: 1.5,
    truncate: false,
  });
});

test.each([
  ['rope_theta', { rope_theta: 0 }],
  ['rope_scaling.factor', { rope_scaling: { rope_type: 'linear' } }],
  ['rope_scaling.factor', { rope_scaling: { rope_type: 'yarn', factor: 0.5 } }],
  [
    'rope_scaling.high_freq_factor',
    { rope_scaling: { rope_type: 'llama3', factor: 2, low_freq_factor: 4, high_freq_factor: 4 } },
  ],
  ['rope_scaling', { rope_scaling: 'linear' }],
])('%s is malformed in %j', (field, config) => {
  expect(thrownBy(() => parse(config))).toMatch(new RegExp(`^file-malformed: config.json: ${field} must be`));
});

describe('extending the context', () => {
  const base = { trainedContext: 8192, rope: { kind: 'default', theta: 100000 } as const };

  test('within the trained context nothing changes', () => {
    expect(extendContext(base, 8192)).toBe(base.rope);
    expect(extendContext(base, 1)).toBe(base.rope);
  });

  test('beyond it, YaRN with factor planned / trained', () => {
    expect(extendContext(base, 24576)).toEqual({
      kind: 'yarn',
      theta: 100000,
      factor: 3,
      originalContext: 8192,
      betaFast: 32,
      betaSlow: 1,
      attentionFactor: 0.1 * Math.log(3) + 1,
      truncate: true,
    });
  });

  test('a model that has YaRN already counts from its original context', () => {
    const rope = extendContext(base, 16384);
    expect(extendContext({ trainedContext: 16384, rope }, 32768)).toMatchObject({
      factor: 4,
      originalContext: 8192,
      attentionFactor: yarnAttentionFactor(4),
    });
  });

  test('other scalings do not compose with YaRN', () => {
    const rope = { kind: 'linear', theta: 10000, factor: 4 } as const;
    expect(thrownBy(() => extendContext({ trainedContext: 1024, rope }, 2048))).toMatch(
      /^invalid-request: .*linear/,
    );
    expect(extendContext({ trainedContext: 1024, rope }, 1024)).toBe(rope);
  });
});
