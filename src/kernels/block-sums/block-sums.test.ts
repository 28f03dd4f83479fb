import { describe, expect, test } from 'vitest';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import { readF32 } from '../runtime/readback.ts';
import { floatFromHalf, halfFromFloat } from '../shared/half.ts';
import { blockSumsShape, blockTokens } from '../shared/token-blocks.ts';
import { expectClose, unitF32 } from '../testing/expect-close.ts';
import { Random, runSeed } from '../testing/random.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { blockSumsReference } from './block-sums.ref.ts';
import { prepareBlockSums } from './block-sums.ts';

describe(`block sums (seed ${runSeed})`, () => {
  const gpu = withGpu();

  interface Problem {
    readonly headDim: number;
    readonly kvHeads: number;
    readonly capacity: number;
    readonly position: number;
    readonly rows: number;
  }

  /** NaN in the cache beyond position + rows, an old number in every sum. */
  async function compare(problem: Problem, random: Random): Promise<void> {
    const { headDim, kvHeads, capacity, position, rows } = problem;
    const arena = new Arena(gpu());
    const length = position + rows;
    const side = () =>
      Uint16Array.from({ length: kvHeads * capacity * headDim }, (_, i) =>
        Math.floor(i / headDim) % capacity < length ? halfFromFloat(Math.fround(random.normal())) : 0x7e00,
      );
    const [keys, values] = [side(), side()];
    const cacheShape = [kvHeads, capacity, headDim];
    const sumsShape = blockSumsShape(kvHeads, capacity, headDim);
    const blocks = sumsShape[1]!;
    const old = -77;
    const blockSums = arena.tensorFrom(
      'sums',
      'f32',
      sumsShape,
      new Float32Array(kvHeads * blocks * 2 * headDim).fill(old),
    );
    const sum = await prepareBlockSums(gpu());
    const dispatch = sum(arena, {
      label: 'sums',
      step: { buffer: arena.uniform('step', Uint32Array.of(position, rows, 0, 0).buffer) },
      keyCache: arena.tensorFrom('keys', 'f16-packed', cacheShape, new Uint32Array(keys.buffer)),
      valueCache: arena.tensorFrom('values', 'f16-packed', cacheShape, new Uint32Array(values.buffer)),
      blockSums,
      rows: rows + random.integer(0, 1500),
      kvHeads,
      headDim,
      capacity,
    });
    submitDispatches(gpu(), [dispatch]);
    const got = await readF32(gpu(), blockSums);
    const { sums, magnitudes } = blockSumsReference({
      keys: Array.from(keys, floatFromHalf),
      values: Array.from(values, floatFromHalf),
      kvHeads,
      headDim,
      capacity,
      length,
      blockTokens,
    });
    const isTouched = (block: number) =>
      rows > 0 &&
      block >= Math.floor(position / blockTokens) &&
      block <= Math.floor((length - 1) / blockTokens);
    const blockOf = (i: number) => Math.floor(i / (2 * headDim)) % blocks;
    expectClose(
      got,
      sums.map((sum, i) => (isTouched(blockOf(i)) ? sum : old)),
      (i) => (isTouched(blockOf(i)) ? blockTokens * unitF32 * magnitudes[i]! : 0),
      JSON.stringify(problem),
    );
    submitDispatches(gpu(), [dispatch]);
    expect(await readF32(gpu(), blockSums), 'run again, the same bits').toEqual(got);
    arena.dispose();
  }

  test('blocks touched are summed afresh, others keep what they hold', async () => {
    const random = new Random(runSeed);
    const whole = blockTokens;
    const cases: readonly [position: number, rows: number][] = [
      [0, 1],
      [0, 0],
      [whole - 1, 1],
      [whole, 1],
      [whole - 1, 2],
      [random.integer(0, 3 * whole - 1), random.integer(1, whole)],
      [0, 3 * whole],
    ];
    for (const [position, rows] of cases) {
      const kvHeads = random.integer(1, 3);
      const headDim = 2 * random.integer(1, 40);
      const capacity = position + rows + random.integer(1, 1100);
      await compare({ headDim, kvHeads, capacity, position, rows }, random);
    }
  });
});
