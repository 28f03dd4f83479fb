import { describe, expect, test } from 'vitest';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import { readF32 } from '../runtime/readback.ts';
import { expectClose, unitF32 } from '../testing/expect-close.ts';
import { Random, runSeed } from '../testing/random.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { activateReference, activateSlope } from './train-activate.ref.ts';
import { prepareTrainActivate } from './train-activate.ts';

/** A logistic's relative error in units: exp(y) errs by (3 + 2|y|) ULP of two units, rounding of y by |y| more. */
const logisticUnits = (y: number): number => 2 * (3 + 2 * Math.min(Math.abs(y), 80)) + Math.abs(y) + 8;

describe(`train-activate (seed ${runSeed})`, () => {
  const gpu = withGpu();
  const kinds = ['silu', 'tanh'] as const;

  test.each([...kinds, 'sign'] as const)('%s', async (kind) => {
    const arena = new Arena(gpu());
    const values = new Random(runSeed).normals(70_003, 3);
    values.set([0, -1000, 1000, 1e-20, -1e-20]);
    const beta = Math.fround(2.3);
    const train = { buffer: arena.uniform('train', Float32Array.of(beta, 0, 0, 0).buffer) };
    const out = arena.tensor('out', 'f32', [values.length]);
    const activate = await prepareTrainActivate(gpu());
    const input = arena.tensorFrom('values', 'f32', [values.length], values);
    submitDispatches(gpu(), [
      activate.forward(arena, { label: kind, kind, train, values: input, out, count: values.length }),
    ]);
    const expected = Float64Array.from(values, (x) => activateReference(kind, beta, x));
    const bound = (i: number): number => {
      const x = values[i]!;
      if (kind === 'sign') return 0;
      if (kind === 'silu') return logisticUnits(x) * unitF32 * Math.abs(expected[i]!) + Math.abs(x) * 2e-35;
      const share = 1 / (1 + Math.exp(-2 * beta * x));
      return 2 * share * logisticUnits(2 * beta * x) * unitF32 + 2 * unitF32;
    };
    expectClose(await readF32(gpu(), out), expected, bound, kind);
    arena.dispose();
  });

  test.each(kinds)('the slope of %s, passed on to three terms each', async (kind) => {
    const arena = new Arena(gpu());
    const random = new Random(runSeed + 1);
    const shape = { outer: 5, terms: 3, inner: 67 };
    const values = random.normals(5 * 3 * 67, 3);
    values.set([0, -1000, 1000]);
    const slopes = random.normals(5 * 67);
    const beta = Math.fround(1.7);
    const train = { buffer: arena.uniform('train', Float32Array.of(beta, 0, 0, 0).buffer) };
    const out = arena.tensor('out', 'f32', [values.length]);
    const activate = await prepareTrainActivate(gpu());
    submitDispatches(gpu(), [
      activate.backward(arena, {
        ...{ label: kind, kind, train, out, ...shape },
        values: arena.tensorFrom('values', 'f32', [values.length], values),
        slopes: arena.tensorFrom('slopes', 'f32', [slopes.length], slopes),
      }),
    ]);
    const slopeOf = (i: number): number => slopes[Math.floor(i / 201) * 67 + (i % 67)]!;
    const factors = Float64Array.from(values, (x) => activateSlope(kind, beta, x));
    const bound = (i: number): number => {
      const x = values[i]!;
      const units = kind === 'silu' ? logisticUnits(x) : 2 * logisticUnits(2 * beta * x);
      const share = 1 / (1 + Math.exp(-x));
      // of σ · (1 + x · (1 − σ)): the last factor is a difference of numbers near one
      const size = kind === 'silu' ? share * (1 + Math.abs(x) * (1 + share)) : factors[i]!;
      return ((units + 8) * unitF32 * size + 1e-30) * Math.abs(slopeOf(i));
    };
    const got = await readF32(gpu(), out);
    expectClose(
      got,
      factors.map((factor, i) => factor * slopeOf(i)),
      bound,
      kind,
    );
    expect(got.every(Number.isFinite)).toBe(true);
    arena.dispose();
  });
});
