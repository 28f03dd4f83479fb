import { describe, expect, test } from 'vitest';
import { Random, runSeed } from '../../kernels/testing/random.ts';
import { RowChunks } from './row-chunks.ts';

describe(`row chunks (seed ${runSeed})`, () => {
  test('rows come out whole, in order and padded with zeros, however the bytes arrive', async () => {
    const random = new Random(runSeed);
    for (let round = 0; round < 300; round++) {
      const rows = random.integer(1, 40);
      const rowBytes = random.integer(1, 30);
      const pitch = rowBytes + (round % 2 === 0 ? 0 : random.integer(1, 9));
      const file = Uint8Array.from({ length: rows * rowBytes }, () => random.integer(1, 255));
      const buffer = new Uint8Array(random.integer(pitch, 4 * pitch + 10)).fill(0xff);
      const got: number[] = [];
      const chunks = new RowChunks(buffer, { rows, rowBytes, pitch }, async (firstRow, count) => {
        expect(got.length).toBe(firstRow * pitch);
        got.push(...buffer.subarray(0, count * pitch));
      });
      for (let at = 0; at < file.length; ) {
        const count = random.integer(1, 50);
        await chunks.push(file.subarray(at, at + count));
        at += count;
      }
      await chunks.end();
      const expected = Array.from({ length: rows }, (_, row) => [
        ...file.subarray(row * rowBytes, (row + 1) * rowBytes),
        ...new Array<number>(pitch - rowBytes).fill(0),
      ]);
      expect(got).toEqual(expected.flat());
    }
  });

  test('a tensor that ends inside a row, and a buffer smaller than a row, are our own bugs', async () => {
    const shape = { rows: 2, rowBytes: 4, pitch: 4 };
    const chunks = new RowChunks(new Uint8Array(8), shape, async () => undefined);
    await chunks.push(new Uint8Array(7));
    await expect(chunks.end()).rejects.toThrow('expected 2 rows, got 1 and 3 bytes');
    expect(() => new RowChunks(new Uint8Array(3), shape, async () => undefined)).toThrow('larger buffer');
  });
});
