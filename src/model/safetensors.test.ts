import { SafeTensor } from 'safetensors';
import { describe, expect, test } from 'vitest';
import { Random, runSeed } from '../kernels/testing/random.ts';
import { headerCap, parseSafetensorsHeader, safetensorsDataBegin } from './safetensors.ts';
import { makeSafetensors } from './testing/make-safetensors.ts';
import { hasFile, readBytes, readJson, tinyModels } from './testing/test-files.ts';
import { thrownBy } from './testing/thrown-by.ts';

const parse = (bytes: Uint8Array, fileSize = bytes.length) =>
  parseSafetensorsHeader(bytes, { file: 'x.safetensors', fileSize });

describe("files written by Python's safetensors", () => {
  const folder = 'test/data/safetensors';
  interface Expected {
    metadata: Record<string, string> | null;
    tensors: Record<string, { dtype: string; shape: number[]; hex: string }>;
  }

  test.each(Object.entries(readJson<Record<string, Expected>>(`${folder}/expected.json`)))(
    '%s: names, dtypes, shapes, content and metadata',
    (name, expected) => {
      const bytes = readBytes(`${folder}/${name}.safetensors`);
      const { entries, metadata } = parse(bytes);
      const got = entries.map(({ name, dtype, shape, begin, end }) => {
        const hex = Buffer.from(bytes.subarray(begin, end)).toString('hex');
        return [name, { dtype, shape, hex }];
      });
      expect(Object.fromEntries(got)).toEqual(expected.tensors);
      expect(Object.fromEntries(metadata)).toEqual(expected.metadata ?? {});
    },
  );

  test('the npm package safetensors finds the same tensors', () => {
    const bytes = readBytes(`${folder}/without-metadata.safetensors`);
    const oracle = new SafeTensor(bytes);
    const { entries } = parse(bytes);
    expect(entries.length).toBe(oracle.metadata.size);
    for (const { name, dtype, shape, begin, end } of entries) {
      expect(oracle.metadata.get(name)).toEqual({ dtype, shape, data_offsets: [begin, end] });
    }
  });
});

test.each(['llama-f32', 'qwen3-bf16', 'llama-mlx4-g32'])(
  '%s: its header is read and covers the file',
  (name) => {
    const path = `${tinyModels}/${name}/model.safetensors`;
    expect(hasFile(path)).toBe(true);
    const bytes = readBytes(path);
    const { entries } = parse(bytes);
    expect(entries.at(-1)?.end).toBe(bytes.length);
    expect(entries.map((entry) => entry.name)).toContain('model.norm.weight');
  },
);

test('the header is enough: no tensor bytes are needed', () => {
  const bytes = makeSafetensors({ a: { dtype: 'F16', shape: [4, 2], data_offsets: [0, 16] } }, 16);
  const begin = safetensorsDataBegin(bytes.subarray(0, 8), { file: 'x', fileSize: bytes.length });
  const { entries } = parse(bytes.subarray(0, begin), bytes.length);
  expect(entries).toEqual([
    { name: 'a', file: 'x.safetensors', dtype: 'F16', shape: [4, 2], begin, end: begin + 16 },
  ]);
});

test('scalars, empty tensors and trailing spaces are fine; entries come in file order', () => {
  const header = JSON.stringify({
    b: { dtype: 'F32', shape: [1], data_offsets: [4, 8] },
    empty: { dtype: 'F32', shape: [0, 7], data_offsets: [4, 4] },
    a: { dtype: 'F32', shape: [], data_offsets: [0, 4] },
  });
  expect(parse(makeSafetensors(`${header}    `, 8)).entries.map((entry) => entry.name)).toEqual([
    'a',
    'empty',
    'b',
  ]);
});

describe('a lie is refused, with file and tensor', () => {
  const tensor = (dtype: unknown, shape: unknown, offsets: unknown) => ({
    dtype,
    shape,
    data_offsets: offsets,
  });
  const first = tensor('F32', [2], [0, 8]);
  test.each<[string, unknown, number, RegExp]>([
    ['not JSON', '{"a": ', 0, /header that is not JSON/],
    ['a list', [], 0, /header that is no object/],
    ['a string', '"x"', 0, /header that is no object/],
    ['a key twice', '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":null}', 8, /states "a" twice/],
    [
      'a key twice, escaped',
      '{"a":{"dtype":"F32","shape":[2],"dt\\u0079pe":"F32","data_offsets":[0,8]}}',
      8,
      /"dtype" twice/,
    ],
    ['no object', { a: [1] }, 0, /tensor a is described by \[1\]/],
    ['unknown dtype', { a: tensor('F33', [2], [0, 8]) }, 8, /tensor a has the unknown dtype "F33"/],
    ['inherited dtype', { a: tensor('toString', [2], [0, 8]) }, 8, /unknown dtype "toString"/],
    ['negative size', { a: tensor('F32', [-2], [0, 8]) }, 8, /tensor a has the shape \[-2\]/],
    ['fractional size', { a: tensor('F32', [0.5], [0, 2]) }, 2, /tensor a has the shape \[0.5\]/],
    ['huge size', { a: tensor('F32', [2 ** 53], [0, 8]) }, 8, /tensor a has the shape/],
    ['overflow', { a: tensor('F32', [2 ** 40, 2 ** 40, 0], [0, 0]) }, 0, /too large to count/],
    ['shape missing', { a: { dtype: 'F32', data_offsets: [0, 8] } }, 8, /tensor a has the shape nothing/],
    ['offsets reversed', { a: tensor('F32', [2], [8, 0]) }, 8, /tensor a has the offsets \[8, 0\]/],
    ['three offsets', { a: tensor('F32', [2], [0, 8, 8]) }, 8, /tensor a has the offsets/],
    ['offsets as text', { a: tensor('F32', [2], ['0', '8']) }, 8, /tensor a has the offsets/],
    [
      'size not shape × dtype',
      { a: tensor('F32', [3], [0, 8]) },
      8,
      /takes 8 bytes by its offsets, but F32\[3\] takes 12/,
    ],
    ['half a byte', { a: tensor('F4', [3], [0, 1]) }, 1, /but F4\[3\] takes 1.5/],
    [
      'overlap',
      { a: first, b: tensor('F32', [2], [4, 12]) },
      12,
      /tensor b begins at byte \d+, expected \d+: it overlaps/,
    ],
    ['the same place', { a: first, b: first }, 8, /tensor b .*overlaps/],
    ['gap', { a: first, b: tensor('F32', [2], [12, 20]) }, 20, /tensor b .*leaves a gap/],
    ['gap at the beginning', { a: tensor('F32', [2], [4, 12]) }, 12, /tensor a .*leaves a gap/],
    ['beyond the file', { a: tensor('F32', [2], [0, 8]) }, 7, /tensor a ends at byte \d+, beyond/],
    ['file not covered', { a: first }, 9, /its tensors end at byte/],
    ['metadata not strings', { __metadata__: { format: 1 } }, 0, /__metadata__.format must be a string/],
    ['metadata no object', { __metadata__: null }, 0, /__metadata__ must be a JSON object/],
  ])('%s', (_, header, dataLength, message) => {
    const thrown = thrownBy(() => parse(makeSafetensors(header, dataLength)));
    expect(thrown).toMatch(/^file-malformed: x\.safetensors/);
    expect(thrown).toMatch(message);
  });

  test('invalid UTF-8', () => {
    const bytes = makeSafetensors('{"a":1}', 0);
    bytes[10] = 0xff;
    expect(thrownBy(() => parse(bytes))).toMatch(/not JSON/);
  });

  test('lengths that cannot be', () => {
    const bytes = makeSafetensors({}, 0);
    expect(thrownBy(() => parse(bytes.subarray(0, 7)))).toMatch(/has 7 bytes, fewer than the 8/);
    expect(thrownBy(() => parse(new Uint8Array()))).toMatch(/has 0 bytes/);
    expect(thrownBy(() => parse(bytes.subarray(0, 9), 10))).toMatch(/ends after 9 bytes/);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, 3n, true);
    expect(thrownBy(() => parse(bytes))).toMatch(/states a header of 3 bytes in a file of 10/);
    view.setBigUint64(0, BigInt(headerCap) + 1n, true);
    expect(thrownBy(() => parse(bytes, 2 ** 40))).toMatch(/at most 100000000 are accepted/);
    view.setBigUint64(0, 2n ** 64n - 1n, true);
    expect(thrownBy(() => parse(bytes, 2 ** 40))).toMatch(/at most/);
  });

  test('deeply nested JSON', () => {
    const depth = 200_000;
    expect(
      thrownBy(() => parse(makeSafetensors(`{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`, 0))),
    ).toMatch(/^file-malformed/);
  });
});

test(`mutated headers give a true reading or an AppError (seed ${runSeed})`, () => {
  const random = new Random(runSeed);
  const original = readBytes('test/data/safetensors/with-metadata.safetensors');
  const begin = safetensorsDataBegin(original, { file: 'x', fileSize: original.length });
  let accepted = 0;
  for (let round = 0; round < 3000; round++) {
    const bytes = original.slice(0, random.next() < 0.2 ? random.integer(0, original.length) : undefined);
    for (let edits = random.integer(1, 4); edits > 0 && bytes.length > 0; edits--) {
      const at = random.integer(0, Math.min(bytes.length, begin) - 1);
      // Mostly digits and punctuation: they survive JSON.parse and reach the checks behind it.
      const byte =
        random.next() < 0.7
          ? '0123456789[]{},:"-.eF'.charCodeAt(random.integer(0, 20))
          : random.integer(0, 255);
      bytes[at] = byte;
    }
    try {
      const { entries } = parse(bytes);
      accepted++;
      const dataBegin = safetensorsDataBegin(bytes, { file: 'x', fileSize: bytes.length });
      let covered = dataBegin;
      for (const entry of entries) {
        expect(entry.begin).toBe(covered);
        covered = entry.end;
      }
      expect(covered).toBe(bytes.length);
    } catch (error) {
      expect((error as Error).name, `round ${round}: ${error}`).toBe('AppError');
    }
  }
  expect(accepted).toBeLessThan(3000);
});
