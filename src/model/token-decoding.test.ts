import { describe, expect, test } from 'vitest';
import { thrownBy } from './testing/thrown-by.ts';
import { parseTokenDecoding } from './token-decoding.ts';

const parse = (decoder: unknown) => parseTokenDecoding(decoder, 'tokenizer.json');
const textOf = (bytes: Uint8Array) => new TextDecoder('utf-8', { fatal: true }).decode(bytes);

const llama2 = {
  type: 'Sequence',
  decoders: [
    { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
    { type: 'Strip', content: ' ', start: 1, stop: 0 },
  ],
};

describe('byte-level', () => {
  const decoding = parse({ type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true });

  test('every byte has a character of its own', () => {
    // U+007F is not in the alphabet: it stands for itself.
    const alphabet = Array.from({ length: 0x144 }, (_, code) => String.fromCharCode(code));
    const bytes = alphabet
      .filter((c) => c > ' ' && c !== '\x7f')
      .flatMap((c) => {
        const decoded = decoding.bytesOf(c);
        return decoded.length === 1 ? [decoded[0]!] : [];
      });
    expect(bytes.sort((a, b) => a - b)).toEqual(Array.from({ length: 256 }, (_, byte) => byte));
  });

  test.each([
    ['Hello', 'Hello'],
    ['Ġworld', ' world'],
    ['Ċ', '\n'],
    ['ä¸Ń', '中'],
    ['ðŁĻĤ', '🙂'],
    ['中', '中'],
    ['', ''],
  ])('%s is %j', (token, text) => {
    expect(textOf(decoding.bytesOf(token))).toBe(text);
  });

  test('may come as a sequence of one', () => {
    expect(textOf(parse({ type: 'Sequence', decoders: [{ type: 'ByteLevel' }] }).bytesOf('Ġa'))).toBe(' a');
  });
});

describe('SentencePiece', () => {
  test('Llama 2: spaces, single bytes, one leading space', () => {
    const decoding = parse(llama2);
    expect(decoding.leadingSpaces).toBe(1);
    expect(textOf(decoding.bytesOf('▁▁the'))).toBe('  the');
    expect([...decoding.bytesOf('<0xE4>')]).toEqual([0xe4]);
    expect(textOf(decoding.bytesOf('<0xE4'))).toBe('<0xE4');
    expect(textOf(decoding.bytesOf('中'))).toBe('中');
  });

  test('Metaspace', () => {
    expect(parse({ type: 'Metaspace', replacement: '▁', prepend_scheme: 'first' }).leadingSpaces).toBe(1);
    expect(parse({ type: 'Metaspace', replacement: '▁', prepend_scheme: 'never' }).leadingSpaces).toBe(0);
    expect(parse({ type: 'Metaspace', add_prefix_space: false }).leadingSpaces).toBe(0);
    expect(textOf(parse({ type: 'Metaspace', replacement: '_' }).bytesOf('_a'))).toBe(' a');
    expect(textOf(parse({ type: 'Metaspace' }).bytesOf('<0x41>'))).toBe('<0x41>');
  });
});

test.each([
  ['none', null],
  ['WordPiece', { type: 'WordPiece', prefix: '##' }],
  ['CTC', { type: 'Sequence', decoders: [{ type: 'CTC' }] }],
  ['ByteLevel', { type: 'Sequence', decoders: [{ type: 'ByteLevel' }, { type: 'Fuse' }] }],
  ['Strip', { type: 'Strip', content: ' ', start: 1, stop: 0 }],
  [
    'Strip',
    { type: 'Sequence', decoders: [{ type: 'Fuse' }, { type: 'Strip', content: ' ', start: 0, stop: 1 }] },
  ],
])('the decoder %s is refused by name', (name, decoder) => {
  expect(thrownBy(() => parse(decoder))).toMatch(
    `model-unsupported: tokenizer.json: the decoder ${name} is not`,
  );
});

test.each([
  3,
  {},
  { type: 'Sequence' },
  { type: 'Sequence', decoders: [1] },
  { type: 'Replace', content: '' },
])('a malformed decoder: %j', (decoder) => {
  expect(thrownBy(() => parse(decoder))).toMatch(/^file-malformed: tokenizer.json: decoder/);
});
