/** A layer's loss and gradients on the GPU against the reference's. */
import { describe, expect, test } from 'vitest';
import { Arena } from '../../kernels/runtime/arena.ts';
import { submitDispatches } from '../../kernels/runtime/dispatch.ts';
import { readF32 } from '../../kernels/runtime/readback.ts';
import { floatFromHalf, halfFromFloat } from '../../kernels/shared/half.ts';
import { Random, runSeed } from '../../kernels/testing/random.ts';
import { withGpu } from '../../kernels/testing/with-gpu.ts';
import { packTrainStep } from '../../kernels/train-adam/train-adam.ts';
import { layerGradient } from './layer-gradient.ref.ts';
import { initialParameters, layerLayout } from './map-layout.ts';
import { prepareTrainKernels } from './train-kernels.ts';
import { trainLayer } from './train-layer.ts';
import { completeTrainOptions } from './train-options.ts';
import { createTrainScratch } from './train-scratch.ts';

const dimensions = { qHeads: 6, kvHeads: 2, headDim: 32 };
const cases = [
  { loss: 'mass', score: 'asymmetric', sharing: 'kv-head', bits: 32, hidden: [24] },
  { loss: 'mass', score: 'hamming', sharing: 'kv-head', bits: 64, hidden: [] },
  { loss: 'bce', score: 'hamming', sharing: 'query-head', bits: 16, hidden: [20, 36] },
] as const;

describe(`a layer's training step (seed ${runSeed})`, () => {
  const gpu = withGpu();

  test.each(cases)('$loss, $score, $sharing, $bits bits, hidden $hidden', async (one) => {
    const arena = new Arena(gpu());
    const random = new Random(runSeed);
    const [tokens, capacity, beta] = [600, 640, Math.fround(1.7)];
    const options = completeTrainOptions({ ...one, lengths: [tokens], positions: 5, sink: 3, window: 4 });
    const layout = layerLayout(dimensions, options);
    const positions = Uint32Array.of(8, 100, 101, 400, 599);
    const initial = initialParameters(layout, { seed: runSeed, firstScale: 0.8 }, 0).map(
      (value) => value + 0.1 * random.normal(),
    );
    const halves = Uint16Array.from(random.normals(2 * capacity * 32, 2), halfFromFloat);
    const keys = Float64Array.from({ length: 2 * tokens * 32 }, (_, i) => {
      const head = Math.floor(i / (tokens * 32));
      return floatFromHalf(halves[head * capacity * 32 + (i % (tokens * 32))]!);
    });
    const draw = () => {
      const queries = random.normals(positions.length * 6 * 32, 2);
      const expected = layerGradient({
        ...{ ...one, dimensions, layout, parameters: initial, queries, keys, positions, tokens, beta },
        ...{ sink: options.sink, window: options.window },
      });
      return { queries, expected };
    };
    let { queries, expected } = draw();
    // f32 moves a target by 2 · 36 · 2⁻²⁴ · Σ|q · k| / √32, 7e-5 of itself: no label is to hang on that.
    while (expected.labelGap < 1.5e-4) ({ queries, expected } = draw());
    const layers = 3;
    const scratch = createTrainScratch(arena, dimensions, layout, options, layers);
    const parameters = arena.tensorFrom('parameters', 'f32', [layout.count], initial);
    submitDispatches(
      gpu(),
      trainLayer({
        ...{ arena, index: 1, options, dimensions, layout, scratch, capacity, tokens },
        kernels: await prepareTrainKernels(gpu(), options.loss),
        state: {
          parameters,
          moments: arena.tensor('moments', 'f32', [layout.count, 2]),
          queries: arena.tensorFrom('queries', 'f32', [positions.length, 6, 32], queries),
        },
        train: { buffer: arena.uniform('train', packTrainStep(1, { beta, rate: 0.01 }).buffer) },
        positions: arena.tensorFrom('positions', 'u32', [positions.length], positions),
        keyCache: arena.tensorFrom('keys', 'f16-packed', [2, capacity, 32], new Uint32Array(halves.buffer)),
      }),
    );
    const gradients = await readF32(gpu(), scratch.gradients);
    // Chains of some thousand roundings that do not conspire; a wrong term shows at once, as each map has its own numbers.
    const bound = 1e-4;
    for (const [name, map] of Object.entries({ query: layout.query, key: layout.key })) {
      map.stages.forEach(({ offset, inputs, outputs }, stage) => {
        const end = offset + map.heads * outputs * (inputs + 1);
        const error = relativeError(gradients, expected.gradients, offset, end);
        expect(error, `${name} stage ${stage}: relative error`).toBeLessThan(bound);
      });
    }
    const scaleError = Math.abs(gradients[layout.scaleIndex]! - expected.gradients[layout.scaleIndex]!);
    const size = Math.sqrt(expected.gradients.reduce((sum, slope) => sum + slope ** 2, 0));
    expect(scaleError / size, 'slope by t').toBeLessThan(bound);
    const losses = await readF32(gpu(), scratch.losses);
    expect(Math.abs(losses[1]! / expected.loss - 1), 'loss').toBeLessThan(1e-5);
    expect([losses[0], losses[2]]).toEqual([0, 0]);
    // Adam's first step moves every parameter by the rate against its slope.
    const moved = await readF32(gpu(), parameters);
    const wrong = [...moved].filter((value, i) => {
      const slope = expected.gradients[i]!;
      return Math.abs(slope) > 1e-6 && Math.abs(initial[i]! - value - 0.01 * Math.sign(slope)) > 2e-4;
    });
    expect(wrong.length).toBe(0);
    arena.dispose();
  });
});

/** √(Σ (got − expected)² / Σ expected²) over [begin, end). */
function relativeError(
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  begin: number,
  end: number,
): number {
  let [difference, size] = [0, 0];
  for (let i = begin; i < end; i++) {
    difference += (got[i]! - expected[i]!) ** 2;
    size += expected[i]! ** 2;
  }
  return Math.sqrt(difference / size);
}
