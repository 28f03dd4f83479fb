import { describe, expect, test } from 'vitest';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import { readF32 } from '../runtime/readback.ts';
import { dotBound, expectClose } from '../testing/expect-close.ts';
import { Random, runSeed } from '../testing/random.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { sumReference } from './train-sum.ref.ts';
import { prepareTrainSum } from './train-sum.ts';

const cases = [
  { outer: 1, terms: 1, inner: 1, outOffset: 0 },
  { outer: 2, terms: 700, inner: 1, outOffset: 5 },
  { outer: 3, terms: 5, inner: 37, outOffset: 0 },
  { outer: 1, terms: 33, inner: 20_011, outOffset: 64 },
];

describe(`train-sum (seed ${runSeed})`, () => {
  const gpu = withGpu();

  test.each(cases)('$outer × $terms × $inner at $outOffset', async (shape) => {
    const arena = new Arena(gpu());
    const random = new Random(runSeed + shape.terms);
    const { outer, terms, inner, outOffset } = shape;
    const values = random.normals(outer * terms * inner);
    const before = random.normals(outOffset + outer * inner + 3);
    const out = arena.tensorFrom('out', 'f32', [before.length], before);
    const sum = await prepareTrainSum(gpu());
    const input = arena.tensorFrom('values', 'f32', [values.length], values);
    submitDispatches(gpu(), [sum(arena, { label: 'sum', values: input, out, ...shape })]);
    const got = await readF32(gpu(), out);
    const magnitudes = sumReference(values.map(Math.abs), shape);
    const sums = got.subarray(outOffset, outOffset + outer * inner);
    expectClose(sums, sumReference(values, shape), (i) => dotBound(terms, magnitudes[i]!), 'sums');
    expect([...got.subarray(0, outOffset)]).toEqual([...before.subarray(0, outOffset)]);
    expect([...got.subarray(-3)]).toEqual([...before.subarray(-3)]);
    arena.dispose();
  });
});
