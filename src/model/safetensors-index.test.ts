import { describe, expect, test } from 'vitest';
import { parseSafetensorsHeader, type TensorEntry } from './safetensors.ts';
import { checkIndex, parseSafetensorsIndex } from './safetensors-index.ts';
import { readBytes, readText, tinyModels } from './testing/test-files.ts';
import { thrownBy } from './testing/thrown-by.ts';

const folder = `${tinyModels}/llama-bf16-sharded`;

function entriesOf(shard: string): readonly TensorEntry[] {
  const bytes = readBytes(`${folder}/${shard}`);
  return parseSafetensorsHeader(bytes, { file: shard, fileSize: bytes.length }).entries;
}

describe('a real index', () => {
  const index = parseSafetensorsIndex(readText(`${folder}/model.safetensors.index.json`));
  const entries = index.shards.flatMap(entriesOf);

  test('names its shards and agrees with them', () => {
    expect(index.shards).toEqual([1, 2, 3, 4].map((i) => `model-0000${i}-of-00004.safetensors`));
    expect(entries.length).toBe(index.shardOf.size);
    expect(() => checkIndex(index, entries)).not.toThrow();
  });

  test('a tensor missing from its shard is refused, by name', () => {
    const [gone, ...rest] = entries;
    const thrown = thrownBy(() => checkIndex(index, rest));
    expect(thrown).toMatch(`file-malformed: ${gone!.file}: tensor ${gone!.name} is missing`);
  });

  test('a tensor in another shard than promised is refused', () => {
    const moved = entries.map((entry, i) => (i === 0 ? { ...entry, file: index.shards[3]! } : entry));
    expect(thrownBy(() => checkIndex(index, moved))).toMatch(`found: ${index.shards[3]}`);
  });

  test('a tensor in two shards is refused', () => {
    const twice = [...entries, { ...entries[0]!, file: index.shards[3]! }];
    expect(thrownBy(() => checkIndex(index, twice))).toMatch(/tensor .* is also in/);
  });
});

test.each([
  '../secret.safetensors',
  'a/b.safetensors',
  'a\\b.safetensors',
  'https://elsewhere/x.safetensors',
  '.hidden.safetensors',
  'a..b.safetensors',
  'model.bin',
  'x.safetensors?y',
  '',
])('the shard name %j is refused', (shard) => {
  const text = JSON.stringify({ weight_map: { tensor: shard } });
  expect(thrownBy(() => parseSafetensorsIndex(text))).toMatch(
    /^file-malformed: .*tensor tensor is said to be in/,
  );
});

test.each([
  ['{', /not JSON/],
  ['[]', /must be a JSON object/],
  ['{}', /weight_map must be a JSON object/],
  ['{"weight_map":{}}', /names no tensor/],
  ['{"weight_map":{"a":1}}', /weight_map.a must be a string/],
  ['{"weight_map":{"a":"x.safetensors","a":"y.safetensors"}}', /"a" is stated twice/],
])('%s is refused', (text, message) => {
  expect(thrownBy(() => parseSafetensorsIndex(text))).toMatch(message);
});
