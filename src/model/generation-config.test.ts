import { expect, test } from 'vitest';
import { parseGenerationConfig } from './generation-config.ts';
import { defaultModel, readJson } from './testing/test-files.ts';
import { thrownBy } from './testing/thrown-by.ts';

test('the default model states an end token and no sampling', () => {
  const json = readJson(`${defaultModel}/generation_config.json`);
  expect(parseGenerationConfig(json)).toEqual({ eosTokenIds: [2], sampling: {} });
});

test('every field', () => {
  const json = {
    eos_token_id: [151645, 151643],
    do_sample: true,
    temperature: 0.6,
    top_p: 0.95,
    top_k: 20,
    repetition_penalty: 1.05,
  };
  expect(parseGenerationConfig(json)).toEqual({
    eosTokenIds: [151645, 151643],
    sampling: { temperature: 0.6, topP: 0.95, topK: 20, repetitionPenalty: 1.05 },
  });
});

test('do_sample: false means greedy', () => {
  const { sampling } = parseGenerationConfig({ do_sample: false, temperature: 0.7 });
  expect(sampling).toEqual({ temperature: 0 });
});

test('a model without the file states nothing', () => {
  expect(parseGenerationConfig({})).toEqual({ eosTokenIds: [], sampling: {} });
});

test.each([
  ['temperature', -1],
  ['temperature', '0.7'],
  ['top_p', 0],
  ['top_p', 1.5],
  ['top_k', 2.5],
  ['repetition_penalty', 0],
  ['eos_token_id', 'end'],
])('%s = %j is malformed, by name', (key, value) => {
  expect(thrownBy(() => parseGenerationConfig({ [key]: value }))).toMatch(
    new RegExp(`^file-malformed: generation_config.json: ${key} must be`),
  );
});
