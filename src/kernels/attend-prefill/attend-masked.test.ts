import { describe, test } from 'vitest';
import { attendTokens } from '../hash-reference/attend-tokens.ref.ts';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import { readF32 } from '../runtime/readback.ts';
import { expectClose, unitF32 } from '../testing/expect-close.ts';
import { Random, runSeed } from '../testing/random.ts';
import { randomRows } from '../testing/random-rows.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { prepareAttendMasked } from './attend-masked.ts';

describe(`attend-masked (seed ${runSeed})`, () => {
  const gpu = withGpu();

  for (const variant of ['workgroup', 'serial'] as const) {
    test.each([
      { headDim: 64, kvHeads: 1, group: 3, lists: 'kv-head', position: 0, rows: 70 },
      { headDim: 64, kvHeads: 2, group: 2, lists: 'query-head', position: 101, rows: 33 },
      { headDim: 34, kvHeads: 2, group: 1, lists: 'kv-head', position: 64, rows: 5 },
    ] as const)(
      `${variant}: $rows rows from $position, head size $headDim, lists per $lists`,
      async (size) => {
        const { headDim, kvHeads, group, rows, position } = size;
        const random = new Random(runSeed + headDim + position);
        const arena = new Arena(gpu());
        const qHeads = kvHeads * group;
        const lists = size.lists === 'kv-head' ? kvHeads : qHeads;
        const given = randomRows(arena, random, { ...size, qHeads, lists });
        const attend = await prepareAttendMasked(gpu(), headDim, { variant });
        const out = arena.tensor('attended', 'f32', [given.room, qHeads, headDim]);
        const scales = arena.tensor('scales', 'f32', [given.room, qHeads]);
        submitDispatches(gpu(), [
          attend(arena, {
            label: 'attended',
            ...given.bindings,
            ...{ out, scales, lists, qHeads, kvHeads, capacity: given.capacity, tokens: given.room },
          }),
        ]);
        const expected = new Float64Array(given.room * qHeads * headDim);
        const expectedScales = new Float64Array(given.room * qHeads);
        for (let row = 0; row < rows; row++) {
          for (let head = 0; head < qHeads; head++) {
            const { query, keys, values, tokens } = given.rowOf(row, head);
            expected.set(
              attendTokens({ query, keys, values, tokens, tail: false }),
              (row * qHeads + head) * headDim,
            );
            expectedScales[row * qHeads + head] = given.scaleOf(row, head, tokens);
          }
        }
        // As in attend-prefill.test: scores err by (headDim + 3)·u·Σ|q·k| ≤ bound below, values are at most `largest`.
        const { scoreMagnitude, largestValue } = given;
        const probability = (headDim + 3) * scoreMagnitude + 2 * (3 + 2 * 2.9 * scoreMagnitude);
        const bound = (2 * probability + 4 * (position + rows) + 8) * unitF32;
        const what = `${variant}, ${JSON.stringify(size)}`;
        expectClose(await readF32(gpu(), out), expected, () => bound * largestValue, what);
        const scaleBound = 2 * bound + 8 * unitF32 * (3 * scoreMagnitude + 16);
        expectClose(await readF32(gpu(), scales), expectedScales, () => scaleBound, `${what}: scales`);
        arena.dispose();
      },
    );
  }
});
