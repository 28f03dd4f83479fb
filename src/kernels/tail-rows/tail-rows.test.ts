import { describe, expect, test } from 'vitest';
import { prepareAttendMasked } from '../attend-prefill/attend-masked.ts';
import { attendTokens } from '../hash-reference/attend-tokens.ref.ts';
import { type TokenBudget, tokenRanges } from '../hash-reference/token-set.ref.ts';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import { readF32, readU32 } from '../runtime/readback.ts';
import { prepareSelectRows } from '../select-rows/select-rows.ts';
import { expectClose, unitF32 } from '../testing/expect-close.ts';
import { Random, runSeed } from '../testing/random.ts';
import { randomRows } from '../testing/random-rows.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { prepareTailRows, tailSumsShape } from './tail-rows.ts';

describe(`tail-rows (seed ${runSeed})`, () => {
  const gpu = withGpu();

  // Counts follow from the budget, so the masks are made by selection: by chance, which is the simplest.
  test.each([
    { headDim: 64, kvHeads: 2, group: 3, lists: 'kv-head', position: 150, rows: 21, room: 24 },
    { headDim: 34, kvHeads: 1, group: 2, lists: 'query-head', position: 37, rows: 6, room: 30 },
    { headDim: 256, kvHeads: 1, group: 1, lists: 'kv-head', position: 70, rows: 10, room: 33 },
  ] as const)('$rows of $room rows from $position, head size $headDim, lists per $lists', async (size) => {
    const { headDim, kvHeads, group, rows, position, room } = size;
    const random = new Random(runSeed + headDim);
    const arena = new Arena(gpu());
    const qHeads = kvHeads * group;
    const lists = size.lists === 'kv-head' ? kvHeads : qHeads;
    const given = randomRows(arena, random, { ...size, qHeads, lists });
    const { capacity, bindings } = given;
    const budget: TokenBudget = {
      sink: random.integer(0, 9),
      window: 5,
      count: random.integer(0, 9),
      share: 6000,
    };
    const shared = {
      ...bindings,
      budget: {
        buffer: arena.uniform(
          'budget',
          Uint32Array.of(budget.sink, budget.window, budget.count, budget.share).buffer,
        ),
      },
      out: arena.tensor('attended', 'f32', [room, qHeads, headDim]),
      scales: arena.tensor('scales', 'f32', [room, qHeads]),
      sums: arena.tensor('sums', 'f32', tailSumsShape(lists, room, headDim)),
      ...{ lists, qHeads, kvHeads, headDim, capacity, tokens: room, rows: room, count: rows },
    };
    const [select, attend, tail] = await Promise.all([
      prepareSelectRows(gpu()),
      prepareAttendMasked(gpu(), headDim),
      prepareTailRows(gpu()),
    ]);
    submitDispatches(gpu(), [
      select(arena, { label: 'mask', ...shared, ranking: { kind: 'random', seed: runSeed } }),
      attend(arena, { label: 'attended', ...shared }),
      ...tail(arena, { label: 'tail', ...shared }),
    ]);
    const maskShape = [lists, room, Math.ceil(capacity / 32)];
    const mask = await readU32(gpu(), { ...bindings.mask, label: 'mask', dtype: 'u32', shape: maskShape });
    const words = Math.ceil(capacity / 32);
    const expected = new Float64Array(room * qHeads * headDim);
    for (let row = 0; row < rows; row++) {
      const n = position + row + 1;
      const ranges = tokenRanges(n, budget);
      for (let head = 0; head < qHeads; head++) {
        const list = Math.floor((head * lists) / qHeads);
        const isSet = (token: number) =>
          (mask[(list * room + row) * words + (token >> 5)]! >>> (token & 31)) & 1;
        const tokens = Array.from({ length: n }, (_, token) => token).filter(isSet);
        expect(tokens.length).toBe(ranges.sinkEnd + ranges.selected + n - ranges.windowStart);
        const { query, keys, values } = given.rowOf(row, head);
        expected.set(
          attendTokens({ query, keys, values, tokens, tail: true }),
          (row * qHeads + head) * headDim,
        );
      }
    }
    // The bound of attend-masked.test, and as much again for the mean key's score (sums of n terms) and the mean value.
    const { scoreMagnitude, largestValue } = given;
    const n = position + rows;
    const probability =
      (headDim + 3 + n) * scoreMagnitude + 2 * (3 + 2 * (2.9 * scoreMagnitude + Math.log2(n)));
    const bound = (4 * probability + 8 * n + 16) * unitF32 * largestValue;
    expectClose(await readF32(gpu(), shared.out), expected, () => bound, JSON.stringify(size));
    arena.dispose();
  });
});
