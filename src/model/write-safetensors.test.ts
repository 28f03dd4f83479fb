import { SafeTensor } from 'safetensors';
import { describe, expect, test } from 'vitest';
import { Random, runSeed } from '../kernels/testing/random.ts';
import { parseSafetensorsHeader } from './safetensors.ts';
import { writeSafetensors } from './write-safetensors.ts';

describe(`writing safetensors (seed ${runSeed})`, () => {
  test('what is written is read again: names, shapes, bytes, metadata with quotes and other alphabets', () => {
    const random = new Random(runSeed);
    const sizes = [3, 0, 16, 7];
    const tensors = sizes.map((size, i) => ({
      name: `tensor.${i}`,
      dtype: 'U32' as const,
      shape: [size, 1],
      bytes: new Uint8Array(random.words(size).buffer),
    }));
    const metadata = { format: 'pt', note: 'a "quoted" line\nμ' };
    const file = writeSafetensors(tensors, metadata);
    const header = parseSafetensorsHeader(file, { file: 'x.safetensors', fileSize: file.length });
    expect(Object.fromEntries(header.metadata)).toEqual(metadata);
    expect(header.entries[0]!.begin % 8).toBe(0);
    const read = header.entries.map(({ name, dtype, shape, begin, end }) => {
      return { name, dtype, shape, bytes: file.slice(begin, end) };
    });
    expect(read).toEqual(tensors);
  });

  test('the npm package safetensors reads it', () => {
    const bytes = Uint8Array.of(1, 2, 3, 4);
    const file = writeSafetensors([{ name: 'a', dtype: 'F32', shape: [1], bytes }], {});
    // it takes every entry for a tensor, the metadata too
    const text = new TextDecoder().decode(file).replace('"__metadata__":{},', ' '.repeat(18));
    const plain = new Uint8Array([...file.subarray(0, 8), ...new TextEncoder().encode(text.slice(8))]);
    const oracle = new SafeTensor(plain);
    expect([...oracle.metadata.keys()]).toEqual(['a']);
  });
});
