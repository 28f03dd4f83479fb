import { describe, test } from 'vitest';
import { type AttendTokensInput, attendTokens } from '../hash-reference/attend-tokens.ref.ts';
import type { TokenBudget } from '../hash-reference/token-set.ref.ts';
import { prepareRowSums, rowBlocksShape } from '../row-sums/row-sums.ts';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import { readF32 } from '../runtime/readback.ts';
import { expectClose, unitF32 } from '../testing/expect-close.ts';
import { Random, runSeed } from '../testing/random.ts';
import { randomRows } from '../testing/random-rows.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { attendProxies } from './attend-proxies.ref.ts';
import { prepareAttendRows, type RowTail } from './attend-rows.ts';

const budget: TokenBudget = { sink: 5, window: 7, count: 9, share: 0 };
const tails: readonly RowTail[] = [{ kind: 'none' }, { kind: 'mean' }, { kind: 'blocks', tokens: 128 }];

function expectedOf(input: Omit<AttendTokensInput, 'tail'>, tail: RowTail): Float64Array {
  if (tail.kind !== 'blocks') return attendTokens({ ...input, tail: tail.kind });
  const proxy = { kind: 'mean', block: tail.tokens, over: 'block', estimated: true } as const;
  return attendProxies(input, proxy, budget);
}

describe(`attend-rows (seed ${runSeed})`, () => {
  const gpu = withGpu();

  // Several stretches of tokens and tiles; heads beyond four; a chunk that begins amid a block; a single token.
  test.each([
    { headDim: 64, kvHeads: 2, group: 3, lists: 'kv-head', position: 610, rows: 5, lanes: 32 },
    { headDim: 34, kvHeads: 1, group: 2, lists: 'query-head', position: 37, rows: 70, lanes: 64 },
    { headDim: 8, kvHeads: 2, group: 5, lists: 'kv-head', position: 300, rows: 6, lanes: 16 },
    { headDim: 256, kvHeads: 1, group: 1, lists: 'kv-head', position: 0, rows: 40, lanes: 128 },
  ] as const)(
    '$rows rows from $position, head size $headDim, lists per $lists, $lanes lanes',
    async (size) => {
      const { headDim, kvHeads, group, rows, position, lanes } = size;
      const random = new Random(runSeed + headDim);
      const arena = new Arena(gpu());
      const qHeads = kvHeads * group;
      const lists = size.lists === 'kv-head' ? kvHeads : qHeads;
      const given = randomRows(arena, random, { ...size, qHeads, lists });
      const { room, capacity } = given;
      const words = Uint32Array.of(budget.sink, budget.window, budget.count, budget.share);
      const shared = {
        ...given.bindings,
        blocksBefore: arena.tensor('blocks', 'f32', rowBlocksShape(kvHeads, capacity, headDim)),
        budget: { buffer: arena.uniform('budget', words.buffer) },
        sums: arena.tensor('sums', 'f32', [kvHeads, room, 2, headDim]),
        ...{ lists, qHeads, kvHeads, headDim, capacity, room, count: rows },
      };
      const [attend, sum] = await Promise.all([
        prepareAttendRows(gpu(), headDim, { lanes }),
        prepareRowSums(gpu()),
      ]);
      const outs = tails.map((tail) => ({
        tail,
        out: arena.tensor(`attended, tail ${tail.kind}`, 'f32', [room, qHeads, headDim]),
      }));
      submitDispatches(gpu(), [
        ...sum(arena, { label: 'sums', ...shared }),
        ...outs.map(({ tail, out }) => attend(arena, { label: `tail ${tail.kind}`, ...shared, out, tail })),
      ]);
      const { scoreMagnitude, largestValue } = given;
      const n = position + rows;
      // The bound of attend-prefill.test, and twice as much again for the mean key's score and the mean value: differences
      // of sums of n terms.
      const probability =
        (headDim + 3 + 2 * n) * scoreMagnitude + 2 * (3 + 2 * (2.9 * scoreMagnitude + Math.log2(n)));
      const bound = (4 * probability + 12 * n + 16) * unitF32 * largestValue;
      for (const { tail, out } of outs) {
        const expected = new Float64Array(room * qHeads * headDim);
        for (let row = 0; row < rows; row++) {
          for (let head = 0; head < qHeads; head++) {
            expected.set(expectedOf(given.rowOf(row, head), tail), (row * qHeads + head) * headDim);
          }
        }
        const what = `tail ${JSON.stringify(tail)}, ${JSON.stringify(size)}`;
        expectClose(await readF32(gpu(), out), expected, () => bound, what);
      }
      arena.dispose();
    },
  );
});
