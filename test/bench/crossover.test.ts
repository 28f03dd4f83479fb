import { describe, expect, test } from 'vitest';
import { crossoverShapes, predictedCrossover, predictedSeconds } from '../../bench/crossover.ts';

describe('predicted crossover', () => {
  test('is where the sums by hand say, for the 8B shape at 100 GB/s', () => {
    // A token costs dense 8 heads · 128 · 4 bytes; sparse a signature for each head, and a row for every 32nd.
    const [row, signature] = [4096, 32];
    // 40 maps of 128 · 128 + 128 · 128 + 128 · 32 halves and 288 biases, 256 rows, two dispatches of 4 µs.
    const fixed = 40 * (2 * 36864 + 4 * 288) + 256 * row + 2 * 4e-6 * 100e9;
    const crossover = fixed / (row - signature - row / 32);
    const got = predictedCrossover(shapeOf('8B'), { bandwidth: 100e9, latency: 4e-6 }, 32);
    // selected tokens are whole
    expect(Math.abs(got - crossover)).toBeLessThan(2);
    expect(got).toBeGreaterThan(1000);
  });

  test('sparse is faster from there on and not before; later on devices that read faster', () => {
    for (const shape of crossoverShapes) {
      let before = 0;
      for (const bandwidth of [50e9, 100e9, 200e9, 400e9]) {
        const device = { bandwidth, latency: 4e-6 };
        const crossover = predictedCrossover(shape, device, 16);
        const gain = (context: number): number => {
          const { dense, sparse } = predictedSeconds(shape, device, context, 16);
          return dense - sparse;
        };
        expect(gain(crossover)).toBeGreaterThan(0);
        expect(gain(crossover - 1)).toBeLessThanOrEqual(0);
        for (const times of [1.1, 2, 50]) expect(gain(Math.ceil(crossover * times))).toBeGreaterThan(0);
        expect(crossover).toBeGreaterThan(before);
        before = crossover;
      }
    }
  });
});

function shapeOf(name: string) {
  return crossoverShapes.find((shape) => shape.name === name)!;
}
