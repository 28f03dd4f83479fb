import { describe, test } from 'vitest';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import { readF32 } from '../runtime/readback.ts';
import { expectClose, unitF32 } from '../testing/expect-close.ts';
import { Random, runSeed } from '../testing/random.ts';
import { randomRows } from '../testing/random-rows.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { prepareRowSums, rowBlocksShape } from './row-sums.ts';

describe(`row-sums (seed ${runSeed})`, () => {
  const gpu = withGpu();

  test.each([
    { headDim: 64, kvHeads: 2, position: 0, rows: 130 },
    { headDim: 34, kvHeads: 1, position: 447, rows: 3 },
    { headDim: 256, kvHeads: 2, position: 64, rows: 1 },
  ])('$rows rows from $position, head size $headDim', async (size) => {
    const { headDim, kvHeads, position, rows } = size;
    const arena = new Arena(gpu());
    const random = new Random(runSeed + headDim);
    const given = randomRows(arena, random, { ...size, qHeads: kvHeads, lists: kvHeads });
    const { room, capacity } = given;
    const sums = arena.tensor('sums', 'f32', [kvHeads, room, 2, headDim]);
    const sum = await prepareRowSums(gpu());
    submitDispatches(
      gpu(),
      sum(arena, {
        ...{ label: 'sums', ...given.bindings, sums, room, count: rows, kvHeads, headDim, capacity },
        blocksBefore: arena.tensor('blocks', 'f32', rowBlocksShape(kvHeads, capacity, headDim)),
      }),
    );
    const expected = new Float64Array(kvHeads * room * 2 * headDim);
    const bounds = new Float64Array(expected.length);
    for (let head = 0; head < kvHeads; head++) {
      for (let row = 0; row < rows; row++) {
        const { keys, values } = given.rowOf(row, head);
        const n = position + row + 1;
        for (const [half, cached] of [keys, values].entries()) {
          for (let i = 0; i < n * headDim; i++) {
            const at = ((head * room + row) * 2 + half) * headDim + (i % headDim);
            expected[at]! += cached[i]!;
            bounds[at]! += Math.abs(cached[i]!) * n * unitF32;
          }
        }
      }
    }
    expectClose(await readF32(gpu(), sums), expected, (i) => bounds[i]!, JSON.stringify(size));
    arena.dispose();
  });
});
