import { describe, expect, test } from 'vitest';
import { Random, runSeed } from '../kernels/testing/random.ts';
import { defaultModel, readJson } from './testing/test-files.ts';
import { tinySentencePiece, tinySentencePieceConfig } from './testing/tiny-sentencepiece.ts';
import { TextStream, type TokenText } from './text-stream.ts';
import { createTokenizer } from './tokenizer.ts';

const byteLevel = createTokenizer(
  readJson(`${defaultModel}/tokenizer.json`),
  readJson(`${defaultModel}/tokenizer_config.json`),
);
const sentencePiece = createTokenizer(tinySentencePiece, tinySentencePieceConfig);

/** Every id is one byte; 256 is a special token, 257 stands for nothing. */
function bytesAsTokens(leadingSpaces = 0): TokenText & { asked: number } {
  return {
    asked: 0,
    leadingSpaces,
    tokenBytes(id) {
      this.asked++;
      return id === 257 ? null : new Uint8Array(id === 256 ? [60, 62] : [id]);
    },
    isSpecial: (id) => id === 256,
  };
}

const bytesOf = (text: string) => [...new TextEncoder().encode(text)];

describe('characters of several bytes', () => {
  test.each(['é', '日', '🙂', '👩‍👩‍👧', '\uFEFF'])(
    '%s appears with its last byte, not before',
    (character) => {
      const stream = new TextStream(bytesAsTokens());
      const shown = bytesOf(character).map((byte) => stream.push(byte));
      expect(shown.join('')).toBe(character);
      expect(shown.at(-1)).not.toBe('');
      expect(shown.join('')).not.toContain('\uFFFD');
      expect(stream.end()).toBe('');
    },
  );

  test('one that never becomes complete is U+FFFD at the end', () => {
    const stream = new TextStream(bytesAsTokens());
    expect(
      bytesOf('a🙂')
        .slice(0, -1)
        .map((byte) => stream.push(byte)),
    ).toEqual(['a', '', '', '']);
    expect(stream.end()).toBe('\uFFFD');
  });

  test('one cut short by other text is U+FFFD before it', () => {
    const stream = new TextStream(bytesAsTokens());
    expect([0xe6, 0x97, 0x61].map((byte) => stream.push(byte))).toEqual(['', '', '\uFFFDa']);
  });
});

describe('special tokens', () => {
  test('are dropped, also inside a character', () => {
    const stream = new TextStream(bytesAsTokens());
    const [first, ...rest] = bytesOf('é');
    expect([97, 256, first!, 256, ...rest, 257].map((id) => stream.push(id))).toEqual([
      'a',
      '',
      '',
      '',
      'é',
      '',
    ]);
  });

  test('are written out on request', () => {
    const stream = new TextStream(bytesAsTokens(), { skipSpecialTokens: false });
    expect([97, 256].map((id) => stream.push(id))).toEqual(['a', '<>']);
  });
});

test('leading spaces of the tokenizer are dropped once, across tokens and special ones', () => {
  const pieces = (leadingSpaces: number, text: string) => {
    const stream = new TextStream(bytesAsTokens(leadingSpaces));
    return [256, ...bytesOf(text)].map((id) => stream.push(id)).join('') + stream.end();
  };
  expect(pieces(0, '  a b')).toBe('  a b');
  expect(pieces(1, '  a b')).toBe(' a b');
  expect(pieces(2, '  a b')).toBe('a b');
  expect(pieces(3, '  a   b')).toBe('a   b');
  expect(pieces(2, ' ')).toBe('');
  expect(pieces(1, 'a b')).toBe('a b');
});

test.each([
  ['byte-level', byteLevel],
  ['SentencePiece', sentencePiece],
])(
  `%s: the pieces joined are the decoding of the whole, whatever the ids (seed ${runSeed})`,
  (_, tokenizer) => {
    const random = new Random(runSeed);
    for (let round = 0; round < 200; round++) {
      const highest = random.next() < 0.5 ? 299 : tokenizer.vocabSize + 5;
      const ids = Array.from({ length: random.integer(0, 50) }, () => random.integer(0, highest));
      const stream = tokenizer.textStream();
      const joined = ids.map((id) => stream.push(id)).join('') + stream.end();
      const bytes = ids
        .filter((id) => !tokenizer.isSpecial(id))
        .flatMap((id) => [...(tokenizer.tokenBytes(id) ?? [])]);
      const whole = new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes));
      const expected = tokenizer === sentencePiece ? whole.replace(/^ /, '') : whole;
      expect(joined, `ids ${ids}`).toBe(expected);
    }
  },
);

test('the work per token does not grow: each token is looked at once', () => {
  const tokens = bytesAsTokens();
  const stream = new TextStream(tokens);
  for (let i = 0; i < 10_000; i++) stream.push(97);
  expect(tokens.asked).toBe(10_000);
});
