import { expect, test } from 'vitest';
import { floatFromHalf, halfFromFloat } from '../kernels/shared/half.ts';
import { Random, runSeed } from '../kernels/testing/random.ts';
import { centringBias, randomProjection } from './random-projection.ts';

const shape = { bits: 64, headDim: 128 };

test('the same for a seed, another for every head, layer and seed', () => {
  const matrices = [0, 1].flatMap((seed) =>
    [0, 1].flatMap((layer) => [0, 1].map((kvHead) => randomProjection(seed, { layer, kvHead }, shape))),
  );
  expect(new Set(matrices.map(String)).size).toBe(8);
  expect(randomProjection(1, { layer: 0, kvHead: 1 }, shape)).toEqual(matrices[5]);
});

test('halves exactly, of mean 0 and deviation 0.82, rows unrelated', () => {
  const matrix = randomProjection(7, { layer: 3, kvHead: 2 }, shape);
  expect(matrix).toEqual(matrix.map((value) => floatFromHalf(halfFromFloat(value))));
  const mean = (term: (value: number, i: number) => number) =>
    matrix.reduce((sum, value, i) => sum + term(value, i), 0) / matrix.length;
  // Of 8192 values: five standard errors of a mean, and of a product of two.
  expect(Math.abs(mean((value) => value))).toBeLessThan((5 * 0.82) / 90);
  expect(Math.sqrt(mean((value) => value * value))).toBeCloseTo(Math.sqrt(8 * (65535 / 12)) / 256, 1);
  expect(Math.abs(mean((value, i) => value * matrix[(i + 128) % 8192]!))).toBeLessThan((5 * 0.67) / 90);
});

test('the share of bits that differ is the angle over π', () => {
  const random = new Random(runSeed);
  const [a, b] = [random.normals(128), random.normals(128)];
  const bits = 4096;
  const matrix = randomProjection(runSeed, { layer: 0, kvHead: 0 }, { bits, headDim: 128 });
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
  for (const mixed of [0.1, 0.5, 2]) {
    const c = a.map((value, i) => value + mixed * b[i]!);
    const angle = Math.acos(dot(a, c) / Math.sqrt(dot(a, a) * dot(c, c)));
    let differing = 0;
    for (let bit = 0; bit < bits; bit++) {
      const row = matrix.subarray(bit * 128, (bit + 1) * 128);
      if (dot(row, a) > 0 !== dot(row, c) > 0) differing++;
    }
    // Six standard deviations of a share of 4096 draws.
    expect(Math.abs(differing / bits - angle / Math.PI), `seed ${runSeed}`).toBeLessThan(6 * (0.5 / 64));
  }
});

test('centring maps the mean key to zero', () => {
  const random = new Random(runSeed);
  const matrix = randomProjection(5, { layer: 1, kvHead: 0 }, { bits: 32, headDim: 48 });
  const mean = random.normals(48);
  const bias = centringBias(matrix, mean);
  for (let bit = 0; bit < 32; bit++) {
    const product = mean.reduce((sum, value, d) => sum + value * matrix[bit * 48 + d]!, 0);
    expect(Math.abs(product + bias[bit]!), `seed ${runSeed}`).toBeLessThan(1e-5);
  }
});
