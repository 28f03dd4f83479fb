import { expect, test } from 'vitest';
import { dequantise } from './dequantise.ref.ts';

/** Eight columns of one row, worked by hand; the other 24 of the stride are zero words. */
function firstEight(words: number[], bits: number): Uint32Array {
  return Uint32Array.from({ length: bits }, (_, i) => words[i] ?? 0);
}

test('q4: nibbles low first, scale and bias of the row', () => {
  const dense = dequantise({
    rows: 1,
    columns: 8,
    format: { kind: 'q4', groupSize: 32, scales: 'f16' },
    weights: firstEight([0xfedc3210], 4),
    scales: Uint32Array.of(0xbc003800), // bias −1, scale 0.5
  });
  expect([...dense.values]).toEqual([-1, -0.5, 0, 0.5, 5, 5.5, 6, 6.5]);
  expect([...dense.magnitudes]).toEqual([1, 1.5, 2, 2.5, 7, 7.5, 8, 8.5]);
});

test('q8: a second group has its own pair, in f32', () => {
  const dense = dequantise({
    rows: 1,
    columns: 40,
    format: { kind: 'q8', groupSize: 32, scales: 'f32' },
    weights: Uint32Array.from({ length: 16 }, (_, i) => (i === 0 ? 0xff000201 : i === 8 ? 3 : 0)),
    scales: new Uint32Array(Float32Array.of(2, 0.25, 10, -1).buffer),
  });
  expect([...dense.values.slice(0, 4)]).toEqual([2.25, 4.25, 0.25, 510.25]);
  expect([...dense.values.slice(32, 34)]).toEqual([29, -1]);
});

test('f16, bf16 and f32: first of two halves in the low bits', () => {
  const of = (kind: 'f16' | 'bf16' | 'f32', words: number[]): number[] => {
    const weights = firstEight(words, kind === 'f32' ? 32 : 16);
    const dense = dequantise({ rows: 1, columns: 8, format: { kind }, weights, scales: new Uint32Array(0) });
    return [...dense.values.slice(0, 2)];
  };
  expect(of('f16', [0xc0003c00])).toEqual([1, -2]);
  expect(of('bf16', [0xc0003f80])).toEqual([1, -2]);
  expect(of('f32', [0x3f800000, 0xc0000000])).toEqual([1, -2]);
});
