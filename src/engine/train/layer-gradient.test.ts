/** The reference's slopes against finite differences of its loss. */
import { describe, test } from 'vitest';
import { expectClose } from '../../kernels/testing/expect-close.ts';
import { Random, runSeed } from '../../kernels/testing/random.ts';
import { type LayerGradientInput, layerGradient } from './layer-gradient.ref.ts';
import { initialParameters, layerLayout } from './map-layout.ts';

const cases = [
  { loss: 'mass', score: 'asymmetric', sharing: 'kv-head', hidden: [5] },
  { loss: 'mass', score: 'hamming', sharing: 'kv-head', hidden: [] },
  { loss: 'mass', score: 'asymmetric', sharing: 'query-head', hidden: [3, 4] },
  { loss: 'bce', score: 'hamming', sharing: 'query-head', hidden: [5] },
  { loss: 'bce', score: 'asymmetric', sharing: 'kv-head', hidden: [4] },
] as const;

describe(`the reference of a training step (seed ${runSeed})`, () => {
  test.each(cases)('$loss, $score, $sharing, hidden $hidden', (one) => {
    const random = new Random(runSeed);
    const dimensions = { qHeads: 4, kvHeads: 2, headDim: 6 };
    const layout = layerLayout(dimensions, { bits: 16, ...one });
    const tokens = 45;
    const positions = [2, 20, 44];
    const parameters = Float64Array.from(initialParameters(layout, { seed: runSeed, firstScale: 0.8 }, 0));
    const input: LayerGradientInput = {
      ...{ ...one, dimensions, layout, parameters, positions, tokens, sink: 1, window: 2, beta: 1.7 },
      queries: random.normals(positions.length * 4 * 6, 2),
      keys: random.normals(2 * tokens * 6, 2),
    };
    const { gradients } = layerGradient(input);
    const h = 1e-4;
    const lossAt = (index: number, by: number): number => {
      const moved = Float64Array.from(parameters);
      moved[index]! += by;
      return layerGradient({ ...input, parameters: moved }).loss;
    };
    const chosen = Array.from({ length: 40 }, () => random.integer(0, layout.count - 2));
    if (one.loss === 'mass') chosen.push(layout.scaleIndex);
    const differences = chosen.map((index) => (lossAt(index, h) - lossAt(index, -h)) / (2 * h));
    // h² / 6 of a third derivative of up to some hundred, and rounding of 1e-16 over h
    const expected = chosen.map((index) => gradients[index]!);
    expectClose(differences, expected, () => 1e-6, 'slopes');
    const largest = expected.reduce((most, slope) => Math.max(most, Math.abs(slope)), 0);
    if (largest < 1e-4) throw new Error(`slopes of at most ${largest} prove nothing`);
  });
});
