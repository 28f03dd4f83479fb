import { describe, expect, test } from 'vitest';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import type { Gpu, KernelVariant } from '../runtime/gpu.ts';
import { readF32 } from '../runtime/readback.ts';
import { floatFromHalf, halfFromFloat } from '../shared/half.ts';
import { expectClose, unitF32 } from '../testing/expect-close.ts';
import { onHardware } from '../testing/on-hardware.ts';
import { Random, runSeed } from '../testing/random.ts';
import { withWideSubgroups } from '../testing/wide-subgroups.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { attendReference } from './attend.ref.ts';
import { type Attend, prepareAttend } from './attend.ts';
import { subgroupTakes } from './split-plan.ts';

interface Shape {
  readonly headDim: number;
  readonly group: number;
  readonly kvHeads: number;
}

const shapes: readonly Shape[] = [
  { headDim: 64, group: 3, kvHeads: 3 },
  { headDim: 128, group: 4, kvHeads: 2 },
  { headDim: 32, group: 1, kvHeads: 2 },
  { headDim: 48, group: 7, kvHeads: 1 },
  { headDim: 80, group: 2, kvHeads: 2 },
  { headDim: 96, group: 8, kvHeads: 1 },
  { headDim: 256, group: 5, kvHeads: 1 },
  { headDim: 128, group: 18, kvHeads: 2 },
];
const variants = ['workgroup', 'subgroup', 'serial'] as const;

/** Each pipeline of the team variants takes seconds to compile on a CPU adapter: a run draws three shapes for each, one of
 *  them with a group that reads its rows for two sets of heads. */
function shapesOf(gpu: Gpu, variant: KernelVariant): readonly Shape[] {
  if (variant === 'serial') return shapes;
  const taken = shapes.filter(({ headDim }) => variant === 'workgroup' || subgroupTakes(gpu, headDim));
  if (onHardware) return taken;
  const random = new Random(runSeed + variant.length);
  const drawn = taken
    .map((shape) => ({ shape, rank: random.next() }))
    .sort((a, b) => a.rank - b.rank)
    .slice(0, 2)
    .map(({ shape }) => shape);
  return [...drawn, { headDim: 8 * random.integer(4, 8), group: random.integer(5, 8), kvHeads: 2 }];
}

/** Halves of random rows for tokens below `length`; NaN in every other row. */
function randomCache(random: Random, rows: number, capacity: number, length: number, headDim: number) {
  const values = new Float32Array(rows * capacity * headDim).fill(Number.NaN);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < length * headDim; i++) {
      values[row * capacity * headDim + i] = random.normal();
    }
  }
  return values;
}

function packHalves(values: Float32Array): Uint32Array<ArrayBuffer> {
  return Uint32Array.from(
    { length: values.length / 2 },
    (_, i) => halfFromFloat(values[2 * i]!) | (halfFromFloat(values[2 * i + 1]!) << 16),
  );
}

interface Problem extends Shape {
  readonly attend: Attend;
  readonly position: number;
  readonly capacity: number;
  readonly splits: number;
}

describe(`attend (seed ${runSeed})`, () => {
  const gpu = withGpu();

  /** Runs one problem twice on the GPU and once on the CPU. */
  async function compare(problem: Problem, random: Random): Promise<void> {
    const { attend, headDim, group, kvHeads, position, capacity, splits } = problem;
    const arena = new Arena(gpu());
    const qHeads = kvHeads * group;
    const length = position + 1;
    const queries = random.normals(qHeads * headDim);
    const keys = randomCache(random, kvHeads, capacity, length, headDim);
    const values = randomCache(random, kvHeads, capacity, length, headDim);
    // Each query head looks mostly at one token: the last, the first, or any, so that none can go missing unseen.
    for (let head = 0; head < qHeads; head++) {
      const token = head % 3 === 0 ? position : head % 3 === 1 ? 0 : random.integer(0, position);
      const row = (Math.floor(head / group) * capacity + token) * headDim;
      for (let d = 0; d < headDim; d++) {
        keys[row + d] = queries[head * headDim + d]! * (8 / Math.sqrt(headDim));
      }
    }
    const packedKeys = packHalves(keys);
    const packedValues = packHalves(values);

    const query = arena.tensorFrom('query', 'f32', [qHeads, headDim], queries);
    const cacheShape = [kvHeads, capacity, headDim];
    const keyCache = arena.tensorFrom('keys', 'f16-packed', cacheShape, packedKeys);
    const valueCache = arena.tensorFrom('values', 'f16-packed', cacheShape, packedValues);
    const partials = arena.tensor('partials', 'f32', attend.partialsShape(kvHeads, splits));
    const out = arena.tensor('out', 'f32', [qHeads, headDim]);
    const step = { buffer: arena.uniform('step', Uint32Array.of(position, 1, 0, 0).buffer) };
    const dispatches = [
      attend.split(arena, {
        label: 'split',
        step,
        query,
        keyCache,
        valueCache,
        partials,
        kvHeads,
        capacity,
        splits,
      }),
      attend.merge(arena, { label: 'merge', partials, out, kvHeads, splits }),
    ];
    submitDispatches(gpu(), dispatches);
    const got = await readF32(gpu(), out);
    gpu().device.queue.writeBuffer(partials.buffer, 0, random.normals(partials.buffer.size / 4));
    submitDispatches(gpu(), dispatches);
    expect(await readF32(gpu(), out), 'the same inputs give the same bits').toEqual(got);

    const halves = (words: Uint32Array): Float64Array =>
      Float64Array.from({ length: words.length * 2 }, (_, i) =>
        floatFromHalf((words[i >> 1]! >>> ((i & 1) * 16)) & 0xffff),
      );
    const expected = attendReference({
      query: queries,
      keys: halves(packedKeys),
      values: halves(packedValues),
      qHeads,
      kvHeads,
      headDim,
      capacity,
      tokens: Array.from({ length }, (_, token) => token),
    });
    // Relative error of a weight, in units of u: a score's error is (headDim + 8) · S by the dot product and its
    // scaling; exp2 of arguments up to 3 · S has 2 · (3 + 2 · 3 · S) and its argument's rounding 3 · S; each rescaling
    // (at most one in four tokens, and one per team and split) has 2 · 3 and a product. Sums of weights and of values
    // have one rounding per token of the split and per team and split. Numerator and denominator both err: twice.
    const chain = Math.ceil(length / splits) + 128 + splits;
    expectClose(
      got,
      expected.out,
      (i) => {
        const size = expected.scoreMagnitude[Math.floor(i / headDim)]!;
        const relative = (headDim + 8 + 27) * size + 6 + 3 * chain;
        return 2 * relative * unitF32 * expected.magnitude[i]!;
      },
      JSON.stringify({ ...problem, variant: attend.variant }),
    );
    arena.dispose();
  }

  for (const variant of variants) {
    test(`${variant} equals the reference`, async () => {
      for (const shape of shapesOf(gpu(), variant)) {
        const random = new Random(runSeed + shape.headDim + shape.group);
        const attend = await prepareAttend(gpu(), { ...shape, variant });
        expect(attend.variant).toBe(variant);
        // Position 0; around a tile of 4, 8, 16, 32 or 64 tokens; anything; more splits than tokens.
        const tile = 2 ** random.integer(2, 6);
        const positions = [0, tile + random.integer(-2, 0), random.integer(1, 260), random.integer(1, 40)];
        for (const [i, position] of positions.entries()) {
          const capacity = position + random.integer(1, 40);
          const splits = i === 3 ? position + 5 : random.integer(1, 9);
          await compare({ ...shape, attend, position, capacity, splits }, random);
        }
      }
    });
  }

  for (const variant of variants) {
    test(`${variant} equals the reference over thousands of tokens with the splits it proposes`, async () => {
      const random = new Random(runSeed - 1);
      const shape = { headDim: 64, group: 3, kvHeads: 3 };
      const attend = await prepareAttend(gpu(), { ...shape, variant });
      const position = random.integer(2000, 4999);
      const capacity = 5000;
      await compare(
        { ...shape, attend, position, capacity, splits: attend.splitsFor(capacity, shape.kvHeads) },
        random,
      );
    });
  }

  test('teams that meet by shuffles equal the reference, in subgroups of 32', async () => {
    const random = new Random(runSeed - 3);
    const headDim = 8 * random.integer(5, 16);
    const group = headDim <= 64 ? random.integer(1, 8) : random.integer(1, 4);
    const shape = { headDim, group, kvHeads: 2 };
    const attend = await prepareAttend(withWideSubgroups(gpu(), 32), { ...shape, variant: 'subgroup' });
    for (const position of [0, random.integer(20, 70), random.integer(100, 300)]) {
      const splits = random.integer(1, 5);
      await compare({ ...shape, attend, position, capacity: position + 3, splits }, random);
    }
  });

  test('serial takes head sizes that are not multiples of 8, and is chosen for them', async () => {
    const random = new Random(runSeed - 2);
    for (const headDim of [2, 34, 100]) {
      const shape = { headDim, group: 3, kvHeads: 2 };
      const attend = await prepareAttend(gpu(), shape);
      expect(attend.variant).toBe('serial' satisfies KernelVariant);
      await compare({ ...shape, attend, position: random.integer(30, 70), capacity: 80, splits: 3 }, random);
    }
  });
});
