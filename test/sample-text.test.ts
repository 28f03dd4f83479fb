/** The text the page brings to learn signatures from. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { TrainCorpus } from '../src/engine/train/corpus.ts';
import { encodeTexts } from '../src/engine/train/encode-texts.ts';
import { completeTrainOptions } from '../src/engine/train/train-options.ts';
import { createTokenizer } from '../src/model/tokenizer.ts';
import { sampleText } from '../src/ui/state/learning-form.ts';

test('is long enough for the default model and sequences as long as its context', async () => {
  const folder = 'public/models/SmolLM2-135M-Instruct-4bit';
  const json = (name: string): unknown => JSON.parse(readFileSync(`${folder}/${name}`, 'utf8'));
  const tokenizer = createTokenizer(json('tokenizer.json'), json('tokenizer_config.json'));
  const text = readFileSync(`public/${sampleText.path}`, 'utf8');
  expect(text.length).toBeLessThanOrEqual(200_000);
  const encode = (piece: string): number[] => tokenizer.encode(piece);
  const tokens = await encodeTexts([text], encode, new AbortController().signal);
  expect(new TrainCorpus(tokens, completeTrainOptions({})).sequence(1).tokens).toHaveLength(8192);
});
