import { describe, test } from 'vitest';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import { readF32 } from '../runtime/readback.ts';
import { expectClose, unitF32 } from '../testing/expect-close.ts';
import { Random, runSeed } from '../testing/random.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { type AdamState, adamReference } from './train-adam.ref.ts';
import { packTrainStep, prepareTrainAdam } from './train-adam.ts';

describe(`train-adam (seed ${runSeed})`, () => {
  const gpu = withGpu();

  test('five steps over gradients of all sizes, zero among them', async () => {
    const arena = new Arena(gpu());
    const random = new Random(runSeed);
    const count = 1003;
    const start = random.normals(count);
    const parameters = arena.tensorFrom('parameters', 'f32', [count], start);
    const moments = arena.tensor('moments', 'f32', [count, 2]);
    const adam = await prepareTrainAdam(gpu());
    let states: AdamState[] = Array.from(start, (parameter) => ({ parameter, m: 0, v: 0 }));
    for (let step = 1; step <= 5; step++) {
      const rate = 0.01 * step;
      const gradients = random.normals(count).map((value, i) => (i === 0 ? 0 : value * 10 ** -(i % 9)));
      const train = { buffer: arena.uniform('train', packTrainStep(step, { beta: 1, rate }).buffer) };
      const slopes = arena.tensorFrom('gradients', 'f32', [count], gradients);
      const args = { label: 'adam', train, gradients: slopes, moments, parameters, count };
      submitDispatches(gpu(), [adam(arena, args)]);
      states = states.map((state, i) => adamReference(state, gradients[i]!, step, rate));
    }
    const sizes = states.flatMap(({ m, v }) => [Math.abs(m), v]);
    // a few roundings a step of what was there and what comes; the first moment's terms may cancel
    const gotMoments = await readF32(gpu(), moments);
    const expectedMoments = states.flatMap(({ m, v }) => [m, v]);
    const largest = (i: number): number => (i % 2 === 0 ? Math.sqrt(1000 * states[i >> 1]!.v) : sizes[i]!);
    expectClose(gotMoments, expectedMoments, (i) => 40 * unitF32 * largest(i) + 1e-37, 'moments');
    // an update is at most rate · 10, as |m| ≤ √(1000 · v) / 3; its errors are those of m over √v
    const bound = (i: number): number => 5 * unitF32 * Math.abs(start[i]!) + 5 * 0.05 * 100 * 40 * unitF32;
    const expected = states.map(({ parameter }) => parameter);
    expectClose(await readF32(gpu(), parameters), expected, bound, 'parameters');
    arena.dispose();
  });
});
