import { describe, expect, test } from 'vitest';
import { attendTokens } from '../hash-reference/attend-tokens.ref.ts';
import { tailOf } from '../hash-reference/tail.ref.ts';
import { attendedTokens, type TokenBudget, tokenRanges } from '../hash-reference/token-set.ref.ts';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import { readF32 } from '../runtime/readback.ts';
import { blockTokens } from '../shared/token-blocks.ts';
import { expectClose, unitF32 } from '../testing/expect-close.ts';
import { Random, runSeed } from '../testing/random.ts';
import { randomRows } from '../testing/random-rows.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { attendProxies, scoresOf } from './attend-proxies.ref.ts';
import { prepareAttendProxies, proxyKinds, type TailProxy } from './attend-proxies.ts';

const plain = { kind: 'mean', over: 'rest', estimated: false } as const;
const budget: TokenBudget = { sink: 3, window: 9, count: 8, share: 0 };

test('one block by its mean is the tail that decoding has', () => {
  const random = new Random(runSeed);
  const [query, keys, values] = [6, 90, 90].map((size) => Float64Array.from(random.normals(size, 1)));
  const input = { query: query!, keys: keys!, values: values!, tokens: [0, 4, 5, 14] };
  const expected = attendTokens({ ...input, tail: 'mean' });
  expectClose(attendProxies(input, { ...plain, block: null }, budget), expected, () => 1e-12, `${runSeed}`);
  const one = attendProxies(input, { ...plain, block: 1 }, budget);
  const all = Array.from({ length: 15 }, (_, token) => token);
  expectClose(one, attendTokens({ ...input, tokens: all, tail: 'none' }), () => 1e-12, 'blocks of one token');
  expect([...one]).not.toEqual([...expected]);
});

test('the means of whole blocks, counted by the share left out, are the tail of blocks that decoding has', () => {
  const random = new Random(runSeed);
  const n = 2 * blockTokens + 40;
  const [query, keys, values] = [6, 6 * n, 6 * n].map((size) => Float64Array.from(random.normals(size, 1)));
  for (const own of [
    { sink: 3, window: 9, count: 0, share: 4096 },
    { sink: blockTokens + 5, window: 50, count: 7, share: 0 },
    { sink: 0, window: 1, count: n, share: 0 },
  ]) {
    const ranges = tokenRanges(n, own);
    const step = (ranges.windowStart - ranges.sinkEnd) / Math.max(1, ranges.selected);
    const list = Array.from({ length: ranges.selected }, (_, i) => ranges.sinkEnd + Math.floor(i * step));
    const tokens = attendedTokens(n, ranges, list);
    const input = { query: query!, keys: keys!, values: values!, tokens };
    const expected = attendTokens({ ...input, tail: tailOf('blocks', ranges) });
    const proxy = { kind: 'mean', block: blockTokens, over: 'block', estimated: true } as const;
    expectClose(attendProxies(input, proxy, own), expected, () => 1e-12, `${runSeed} ${JSON.stringify(own)}`);
  }
});

describe(`attend-proxies (seed ${runSeed})`, () => {
  const gpu = withGpu();

  test.each([
    { headDim: 32, kvHeads: 2, group: 3, lists: 'kv-head', position: 110, rows: 5 },
    { headDim: 18, kvHeads: 1, group: 2, lists: 'query-head', position: 30, rows: 37 },
  ] as const)('$rows rows from $position, head size $headDim, lists per $lists', async (size) => {
    const { headDim, kvHeads, group, rows } = size;
    const random = new Random(runSeed + headDim);
    const arena = new Arena(gpu());
    const qHeads = kvHeads * group;
    const lists = size.lists === 'kv-head' ? kvHeads : qHeads;
    const given = randomRows(arena, random, { ...size, qHeads, lists });
    const { room, capacity, largestValue } = given;
    const attend = await prepareAttendProxies(gpu(), headDim, { lanes: 16 });
    const proxies: TailProxy[] = [
      ...proxyKinds.flatMap((kind) => [32, null].map((block) => ({ ...plain, kind, block }))),
      { kind: 'mean', block: 32, over: 'candidates', estimated: false },
      { kind: 'spread', block: 48, over: 'candidates', estimated: true },
      { kind: 'linear', block: 16, over: 'block', estimated: false },
      { kind: 'mean', block: 32, over: 'block', estimated: true },
    ];
    const cases = proxies.map((proxy) => ({
      proxy,
      out: arena.tensor(`${JSON.stringify(proxy)}`, 'f32', [room, qHeads, headDim]),
    }));
    const words = Uint32Array.of(budget.sink, budget.window, budget.count, budget.share);
    submitDispatches(
      gpu(),
      cases.map(({ proxy, out }) =>
        attend(arena, {
          ...{ label: `${JSON.stringify(proxy)}`, ...given.bindings, out, proxy },
          budget: { buffer: arena.uniform('budget', words.buffer) },
          ...{ room, count: rows, lists, qHeads, kvHeads, capacity },
        }),
      ),
    );
    for (const { proxy, out } of cases) {
      const got = await readF32(gpu(), out);
      for (let row = 0; row < rows; row++) {
        for (let head = 0; head < qHeads; head++) {
          const input = given.rowOf(row, head);
          const expected = attendProxies(input, proxy, budget);
          const { kind } = proxy;
          const at = (row * qHeads + head) * headDim;
          // Scores err as in attend-prefill.test, means of n of them by as much again; a variance by twice its root, at
          // most half the range, times that. Factors 1 + score − mean make weights of either sign, larger on the whole
          // by no more than half the range.
          const scores = scoresOf(input.query, input.keys);
          const range = Math.max(...scores) - Math.min(...scores);
          const [varies, leans] = [kind === 'spread' || kind === 'linear', kind === 'linear'];
          const level = (headDim + 3 + scores.length) * given.scoreMagnitude * (varies ? 1 + range : 1);
          const relative = (4 * level + 4 * scores.length + 32) * (leans ? 1 + range / 2 : 1);
          const bound = relative * unitF32 * largestValue;
          const what = `${JSON.stringify(proxy)}, row ${row}, head ${head}, ${JSON.stringify(size)}`;
          expectClose(got.subarray(at, at + headDim), expected, () => bound, what);
        }
      }
    }
    arena.dispose();
  });
});
