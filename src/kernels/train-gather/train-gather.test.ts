import { describe, expect, test } from 'vitest';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import { readF32 } from '../runtime/readback.ts';
import { floatFromHalf, halfFromFloat } from '../shared/half.ts';
import { Random, runSeed } from '../testing/random.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { gatherKeysReference, gatherRowsReference } from './train-gather.ref.ts';
import { prepareTrainGather } from './train-gather.ts';

describe(`train-gather (seed ${runSeed})`, () => {
  const gpu = withGpu();

  test.each([
    { tokens: 1, kvHeads: 1, headDim: 32, capacity: 4 },
    { tokens: 77, kvHeads: 3, headDim: 48, capacity: 100 },
  ])('$tokens keys of $kvHeads heads of $headDim', async (shape) => {
    const arena = new Arena(gpu());
    const { tokens, kvHeads, headDim, capacity } = shape;
    const halves = Uint16Array.from(
      new Random(runSeed).normals(kvHeads * capacity * headDim, 5),
      halfFromFloat,
    );
    const words = new Uint32Array(halves.buffer);
    const out = arena.tensor('out', 'f32', [kvHeads, tokens, headDim]);
    const gather = await prepareTrainGather(gpu());
    const keyCache = arena.tensorFrom('keys', 'f16-packed', [kvHeads, capacity, headDim], words);
    submitDispatches(gpu(), [gather.keys(arena, { label: 'keys', keyCache, out, ...shape })]);
    const expected = gatherKeysReference(Array.from(halves, floatFromHalf), shape);
    expect([...(await readF32(gpu(), out))]).toEqual([...expected]);
    arena.dispose();
  });

  test('rows of sampled positions, over chunks of different lengths', async () => {
    const arena = new Arena(gpu());
    const random = new Random(runSeed);
    const width = 65;
    const positions = Uint32Array.of(0, 6, 7, 7, 29, 30, 31);
    const before = random.normals(positions.length * width);
    const expected = Float64Array.from(before);
    const out = arena.tensorFrom('out', 'f32', [positions.length, width], before);
    const list = arena.tensorFrom('positions', 'u32', [positions.length], positions);
    const gather = await prepareTrainGather(gpu());
    for (const [first, count] of [
      [0, 7],
      [7, 23],
      [30, 1],
    ] as const) {
      const rows = random.normals(count * width);
      const label = `rows from ${first}`;
      const step = { buffer: arena.uniform(label, Uint32Array.of(first, count, 0, 0).buffer) };
      const source = arena.tensorFrom(label, 'f32', [count, width], rows);
      submitDispatches(gpu(), [
        gather.rows(arena, {
          ...{ label, step, positions: list, rows: source, out },
          ...{ count: positions.length, width },
        }),
      ]);
      gatherRowsReference(expected, positions, { first, rows, width });
    }
    expect([...(await readF32(gpu(), out))]).toEqual([...expected]);
    expect([...expected.subarray(-width)]).toEqual([...before.subarray(-width)]);
    arena.dispose();
  });
});
