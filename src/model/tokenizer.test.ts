import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { describe, expect, test } from 'vitest';
import { Random, runSeed } from '../kernels/testing/random.ts';
import { defaultModel, readJson, readText } from './testing/test-files.ts';
import { thrownBy } from './testing/thrown-by.ts';
import { tinySentencePiece, tinySentencePieceConfig } from './testing/tiny-sentencepiece.ts';
import { createTokenizer } from './tokenizer.ts';

const json = readJson<object>(`${defaultModel}/tokenizer.json`);
const config = readJson<object>(`${defaultModel}/tokenizer_config.json`);
const tokenizer = createTokenizer(json, config);
const oracle = new HuggingFaceTokenizer(json, config);

describe('the default model', () => {
  const golden = readJson<{
    texts: { text: string; ids: number[]; decoded: string }[];
    chats: { text: string; ids: number[] }[];
  }>('test/data/golden/SmolLM2-135M-Instruct-4bit/tokenizer.json');

  test.each(golden.texts)('$text', ({ text, ids, decoded }) => {
    expect(tokenizer.encode(text)).toEqual(ids);
    expect(tokenizer.decode(ids)).toBe(decoded);
  });

  test('rendered conversations', () => {
    for (const { text, ids } of golden.chats) {
      expect(tokenizer.encode(text)).toEqual(ids);
      expect(tokenizer.decode(ids)).toBe(text);
    }
  });

  test('a megabyte of Wikipedia: as many tokens as the reference, the same first ones, and the same text back', () => {
    const reference = readJson<{ token_count: number; first_ids: number[] }>(
      'test/data/golden/SmolLM2-135M-Instruct-4bit/perplexity.json',
    );
    const text = readText('test/data/wikitext-2-valid.txt');
    const ids = tokenizer.encode(text);
    expect(ids.length).toBe(reference.token_count);
    expect(ids.slice(0, reference.first_ids.length)).toEqual(reference.first_ids);
    expect(tokenizer.decode(ids)).toBe(text);
  });

  test('vocabulary and special tokens', () => {
    expect(tokenizer.vocabSize).toBe(49152);
    expect(tokenizer.specialTokens).toEqual({
      bos: '<|im_start|>',
      eos: '<|im_end|>',
      unk: '<|endoftext|>',
      pad: '<|im_end|>',
      additional: ['<|im_start|>', '<|im_end|>'],
    });
    expect([...tokenizer.specialIds].sort((a, b) => a - b)).toEqual(Array.from({ length: 17 }, (_, i) => i));
    expect(tokenizer.tokenId('<|im_end|>')).toBe(2);
    expect(tokenizer.tokenId('no such token')).toBeNull();
    expect(tokenizer.isSpecial(2)).toBe(true);
    expect(tokenizer.isSpecial(19556)).toBe(false);
  });

  test('nothing decodes to nothing', () => {
    expect(tokenizer.decode([])).toBe('');
    expect(tokenizer.encode('')).toEqual([]);
  });

  test('special tokens are written out, or skipped on request', () => {
    const ids = tokenizer.encode('<|im_start|>user\nhi<|im_end|>');
    expect(tokenizer.decode(ids)).toBe('<|im_start|>user\nhi<|im_end|>');
    expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe('user\nhi');
  });

  test('bytes of tokens: text, part of a character, special, none', () => {
    const bytes = (id: number) => tokenizer.tokenBytes(id);
    expect(bytes(19556)).toEqual(new TextEncoder().encode('Hello'));
    expect(bytes(2)).toEqual(new TextEncoder().encode('<|im_end|>'));
    expect(bytes(49152)).toBeNull();
    const whole = tokenizer.encode('日本').map((id) => [...(bytes(id) ?? [])]);
    expect(whole.flat()).toEqual([...new TextEncoder().encode('日本')]);
  });

  test(`random ids, most of them no valid text, decode as in tokenizers.js (seed ${runSeed})`, () => {
    const random = new Random(runSeed);
    for (let round = 0; round < 200; round++) {
      // Low ids are single bytes and special tokens: broken characters come often.
      const highest = random.next() < 0.5 ? 300 : 49151;
      const ids = Array.from({ length: random.integer(1, 60) }, () => random.integer(0, highest));
      for (const skip of [false, true]) {
        const options = { skip_special_tokens: skip, clean_up_tokenization_spaces: false };
        const got = tokenizer.decode(ids, { skipSpecialTokens: skip });
        expect(got, `ids ${ids}`).toBe(oracle.decode(ids, options));
      }
    }
  });
});

describe('a SentencePiece tokenizer with byte fallback', () => {
  const sentencePiece = createTokenizer(tinySentencePiece, tinySentencePieceConfig);
  const sentencePieceOracle = new HuggingFaceTokenizer(tinySentencePiece, tinySentencePieceConfig);

  test.each(['the inn', '  the', 'the 日 and 語', "naïve - don't", '🙂', ' ', 'a\nb'])(
    '%j comes back',
    (text) => {
      expect(sentencePiece.decode(sentencePiece.encode(text))).toBe(text);
    },
  );

  test('special tokens are added on request only', () => {
    const plain = sentencePiece.encode('the');
    expect(sentencePiece.encode('the', { addSpecialTokens: true })).toEqual([1, ...plain]);
    expect(plain).toEqual([sentencePiece.tokenId('▁the')]);
  });

  test(`random ids decode as in tokenizers.js (seed ${runSeed})`, () => {
    const random = new Random(runSeed);
    for (let round = 0; round < 300; round++) {
      const ids = Array.from({ length: random.integer(1, 40) }, () =>
        random.next() < 0.3 ? random.integer(0, 258) : random.integer(0, sentencePiece.vocabSize - 1),
      );
      for (const skip of [false, true]) {
        const options = { skip_special_tokens: skip, clean_up_tokenization_spaces: false };
        const got = sentencePiece.decode(ids, { skipSpecialTokens: skip });
        expect(got, `ids ${ids}`).toBe(sentencePieceOracle.decode(ids, options));
      }
    }
  });
});

describe('files that no tokenizer can be made of', () => {
  test.each<[string, unknown, unknown, RegExp]>([
    ['no object', [], {}, /^file-malformed: tokenizer.json: the whole file/],
    ['no model', { decoder: { type: 'ByteLevel' } }, {}, /^file-malformed: tokenizer.json: model must be/],
    [
      'an unknown decoder',
      { ...json, decoder: { type: 'WordPiece' } },
      {},
      /^model-unsupported: .*WordPiece/,
    ],
    [
      'an unknown pre-tokenizer',
      { ...json, pre_tokenizer: { type: 'Odd' } },
      {},
      /^model-unsupported: .*Odd/,
    ],
    ['an unknown normalizer', { ...json, normalizer: { type: 'Odd' } }, {}, /^model-unsupported: .*Odd/],
    ['a model without merges', { ...json, model: { type: 'BPE', vocab: {} } }, {}, /^file-malformed/],
    [
      'an ill-typed special token',
      json,
      { eos_token: 2 },
      /^file-malformed: tokenizer_config.json: eos_token/,
    ],
    ['a config that is no object', json, null, /^file-malformed: tokenizer_config.json: the whole file/],
  ])('%s', (_, tokenizerJson, tokenizerConfig, message) => {
    expect(thrownBy(() => createTokenizer(tokenizerJson, tokenizerConfig))).toMatch(message);
  });
});
