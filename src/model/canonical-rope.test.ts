import { describe, expect, test } from 'vitest';
import { canonicalRope, parseCanonicalRope } from './canonical-rope.ts';
import { parseModelConfig } from './config.ts';
import { extendContext, type RopeConfig } from './rope-config.ts';
import { readJson, tinyModels } from './testing/test-files.ts';
import { thrownBy } from './testing/thrown-by.ts';

const ropeOf = (model: string): RopeConfig =>
  parseModelConfig(readJson(`${tinyModels}/${model}/config.json`)).rope;

test.each([
  ['llama-f32', '{"theta":10000,"type":"default"}'],
  ['llama-linear-f16', '{"factor":4,"theta":10000,"type":"linear"}'],
  ['llama3-f16', '{"factor":8,"original_length":128,"theta":500000,"type":"llama3"}'],
  ['qwen2-yarn-f32', '{"factor":4,"original_length":64,"theta":1000000,"type":"yarn"}'],
])('%s is %s, and reads back as itself', (model, canonical) => {
  expect(canonicalRope(ropeOf(model))).toBe(canonical);
  expect(parseCanonicalRope(canonical, 'x')).toBe(canonical);
});

test('an extended context is another RoPE', () => {
  const rope = { kind: 'default', theta: 100000 } as const;
  expect(canonicalRope(extendContext({ rope, trainedContext: 8192 }, 16384))).toBe(
    '{"factor":2,"original_length":8192,"theta":100000,"type":"yarn"}',
  );
});

test('order, spaces and spelling of numbers do not matter', () => {
  const written = '{"type": "yarn", "theta": 1e5, "original_length": 8192, "factor": 2.0}';
  expect(parseCanonicalRope(written, 'x')).toBe(
    '{"factor":2,"original_length":8192,"theta":100000,"type":"yarn"}',
  );
});

describe('refused', () => {
  test.each([
    ['yarn', 'a JSON object whose type is'],
    ['[]', 'a JSON object whose type is'],
    ['{"type":"dynamic","theta":1e4}', 'a JSON object whose type is'],
    ['{"type":"default"}', 'with a number above 1 as theta'],
    ['{"type":"default","theta":"1e4"}', 'with a number above 1 as theta'],
    ['{"type":"default","theta":1e999}', 'with a number above 1 as theta'],
    ['{"type":"linear","theta":1e4}', 'with a number above 0 as factor'],
    ['{"type":"llama3","theta":1e4,"factor":8,"original_length":0}', 'as original_length'],
    ['{"type":"default","theta":1e4,"factor":2}', 'without factor'],
    ['{"type":"default","theta":1e4,"__proto__":{}}', 'without __proto__'],
  ])('%s', (text, fault) => {
    const message = thrownBy(() => parseCanonicalRope(text, 'maps: metadata rope'));
    expect(message).toContain('file-malformed: maps: metadata rope must be');
    expect(message).toContain(fault);
  });
});
