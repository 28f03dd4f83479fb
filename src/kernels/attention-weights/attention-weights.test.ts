import { describe, expect, test } from 'vitest';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import { readF32 } from '../runtime/readback.ts';
import { floatFromHalf, halfFromFloat } from '../shared/half.ts';
import { expectClose, unitF32 } from '../testing/expect-close.ts';
import { Random, runSeed } from '../testing/random.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { attentionWeightsReference } from './attention-weights.ref.ts';
import { attentionTotalsShape, prepareAttentionWeights } from './attention-weights.ts';

const shapes = [
  { headDim: 2, group: 1, kvHeads: 1 },
  { headDim: 64, group: 3, kvHeads: 3 },
  { headDim: 128, group: 4, kvHeads: 2 },
  { headDim: 34, group: 7, kvHeads: 2 },
  { headDim: 256, group: 5, kvHeads: 1 },
];
const untouched = -7;

describe(`attention-weights (seed ${runSeed})`, () => {
  const gpu = withGpu();

  test.each(shapes)('equals the reference: head size $headDim, $kvHeads groups of $group', async (shape) => {
    const random = new Random(runSeed + shape.headDim);
    const weigh = await prepareAttentionWeights(gpu());
    // One token; around the four of an invocation and the lanes of a workgroup; anything.
    const lengths = [1, random.integer(2, 6), 256 + random.integer(-1, 2), random.integer(300, 1500)];
    for (const length of lengths) {
      const { headDim, group, kvHeads } = shape;
      const qHeads = kvHeads * group;
      const capacity = length + random.integer(0, 40);
      const arena = new Arena(gpu());
      const queries = random.normals(qHeads * headDim);
      // Rows beyond the current token are NaN. Each query head looks mostly at one token: last, first or any.
      const keys = new Float64Array(kvHeads * capacity * headDim).fill(Number.NaN);
      for (let head = 0; head < kvHeads; head++) {
        for (let i = 0; i < length * headDim; i++) keys[head * capacity * headDim + i] = random.normal();
      }
      for (let head = 0; head < qHeads; head++) {
        const token = [length - 1, 0, random.integer(0, length - 1)][head % 3]!;
        const row = (Math.floor(head / group) * capacity + token) * headDim;
        for (let d = 0; d < headDim; d++) {
          keys[row + d] = queries[head * headDim + d]! * (6 / Math.sqrt(headDim));
        }
      }
      const halves = keys.map((value) => halfFromFloat(value));
      const packed = Uint32Array.from(
        { length: halves.length / 2 },
        (_, i) => halves[2 * i]! | (halves[2 * i + 1]! << 16),
      );
      const weights = arena.tensorFrom(
        'weights',
        'f32',
        [qHeads, capacity],
        new Float32Array(qHeads * capacity).fill(untouched),
      );
      const sizes = { qHeads, kvHeads, headDim, capacity };
      submitDispatches(
        gpu(),
        weigh(arena, {
          label: 'weights',
          step: { buffer: arena.uniform('step', Uint32Array.of(length - 1, 1, 0, 0).buffer) },
          query: arena.tensorFrom('query', 'f32', [qHeads, headDim], queries),
          keyCache: arena.tensorFrom('keys', 'f16-packed', [kvHeads, capacity, headDim], packed),
          weights,
          totals: arena.tensor('totals', 'f32', attentionTotalsShape(qHeads)),
          ...sizes,
        }),
      );
      const got = await readF32(gpu(), weights);
      const rows = Array.from({ length: qHeads }, (_, head) =>
        got.subarray(head * capacity, (head + 1) * capacity),
      );
      const expected = attentionWeightsReference({
        query: queries,
        keys: halves.map(floatFromHalf),
        ...sizes,
        length,
      });
      // In units of u, S the largest |score|'s sum of magnitudes: a score's error is (headDim + 4) · S, in the weight and
      // again in the total; exp2 of arguments down to −3 · S has 2 · (3 + 2 · 3 · S), its rounded argument 3 · S. A lane
      // adds length / 256 terms and 8 joins follow, each with a product and an exp2.
      const bound = (i: number): number => {
        const size = expected.scoreMagnitude[Math.floor(i / length)]!;
        const relative = (headDim + 4 + 15) * size + 6 + 8 * (Math.ceil(length / 256) + 8);
        return 2 * relative * unitF32 * expected.weights[i]! + 1e-30;
      };
      const what = JSON.stringify({ ...sizes, length });
      expectClose(
        rows.flatMap((row) => [...row.subarray(0, length)]),
        expected.weights,
        bound,
        what,
      );
      const beyond = rows.flatMap((row) => [...row.subarray(length)]);
      expect(
        beyond.every((value) => value === untouched),
        `${what}: beyond the last token`,
      ).toBe(true);
      arena.dispose();
    }
  });

  test('far apart scores neither overflow nor leave a weight undefined', async () => {
    const arena = new Arena(gpu());
    const weigh = await prepareAttentionWeights(gpu());
    const length = 600;
    // Products of ±65504 · 2 over 16 elements: exponents of ± 7.6e5 to base 2.
    const keys = new Uint32Array(length * 8).fill(halfFromFloat(-65504) * 0x10001);
    keys.fill(halfFromFloat(65504) * 0x10001, 8 * 577, 8 * 578);
    const weights = arena.tensor('weights', 'f32', [1, length]);
    submitDispatches(
      gpu(),
      weigh(arena, {
        label: 'weights',
        step: { buffer: arena.uniform('step', Uint32Array.of(length - 1, 1, 0, 0).buffer) },
        query: arena.tensorFrom('query', 'f32', [1, 16], new Float32Array(16).fill(2)),
        keyCache: arena.tensorFrom('keys', 'f16-packed', [1, length, 16], keys),
        weights,
        totals: arena.tensor('totals', 'f32', attentionTotalsShape(1)),
        ...{ qHeads: 1, kvHeads: 1, headDim: 16, capacity: length },
      }),
    );
    const expected = Array.from({ length }, (_, token) => (token === 577 ? 1 : 0));
    expect([...(await readF32(gpu(), weights))]).toEqual(expected);
    arena.dispose();
  });
});
