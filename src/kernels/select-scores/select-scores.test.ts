import { describe, expect, test } from 'vitest';
import { randomScore } from '../hash-reference/random-score.ref.ts';
import { tokenRanges } from '../hash-reference/token-set.ref.ts';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import { readU32 } from '../runtime/readback.ts';
import { Random, runSeed } from '../testing/random.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { selectLargestReference, summedWeights } from './select-scores.ref.ts';
import {
  prepareSelectHeaviest,
  prepareSelectRandom,
  type SelectRandom,
  type SelectScoresVariant,
} from './select-scores.ts';

const untouched = 0xffffffff;

describe(`select-scores (seed ${runSeed})`, () => {
  const gpu = withGpu();
  const random = new Random(runSeed);

  const pick = (values: readonly number[]): number => values[random.integer(0, values.length - 1)]!;

  /** Contexts from one token on, budgets from nothing to everything, sink and window that overlap or do not. */
  function randomCase() {
    const n = Math.floor(2 ** (random.next() * 13));
    const share = pick([0, 4096, random.integer(0, 65536), 65536]);
    const budget = {
      sink: random.integer(0, pick([0, 4, 300])),
      window: random.integer(1, pick([1, 8, 300])),
      count: pick([0, random.integer(0, n), 3 * n]),
      share,
    };
    const ranges = tokenRanges(n, budget);
    return { n, capacity: n + random.integer(0, 9), budget, ranges, lists: random.integer(1, 5) };
  }

  async function run(
    one: ReturnType<typeof randomCase>,
    select: SelectRandom,
    seed: number,
  ): Promise<number[][]> {
    const { n, budget, ranges, lists } = one;
    const arena = new Arena(gpu());
    try {
      const listCapacity = ranges.selected + 2;
      const filler = new Uint32Array(lists * listCapacity).fill(untouched);
      const list = arena.tensorFrom('list', 'u32', [lists, listCapacity], filler);
      const { sink, window, count, share } = budget;
      submitDispatches(gpu(), [
        select(arena, {
          label: 'select',
          step: { buffer: arena.uniform('step', Uint32Array.of(n - 1, 1, 0, 0).buffer) },
          budget: { buffer: arena.uniform('budget', Uint32Array.of(sink, window, count, share).buffer) },
          ...{ list, lists, listCapacity, seed },
        }),
      ]);
      const got = await readU32(gpu(), list);
      return Array.from({ length: lists }, (_, index) => [
        ...got.subarray(index * listCapacity, (index + 1) * listCapacity),
      ]);
    } finally {
      arena.dispose();
    }
  }

  const withRest = (lists: number[][]): number[][] => lists.map((list) => [...list, untouched, untouched]);

  for (const variant of ['workgroup', 'serial'] as const satisfies readonly SelectScoresVariant[]) {
    test(`${variant}: the heaviest tokens, summed over the group, ties most recent first`, async () => {
      const select = await prepareSelectHeaviest(gpu(), variant);
      for (let i = 0; i < 30; i++) {
        const one = randomCase();
        const { n, lists, capacity, budget } = one;
        const group = random.integer(1, 7);
        // Few different values make ties; exponents from 2^-40 to 1 use all bytes of the keys.
        const weights = Float32Array.from({ length: lists * group * capacity }, () =>
          i % 2 === 0 ? random.integer(0, 3) / 4 : 2 ** (-40 * random.next()),
        );
        const expected = selectLargestReference(
          summedWeights(weights, { lists, group, capacity, n }),
          n,
          budget,
        );
        const arena = new Arena(gpu());
        const tensor = arena.tensorFrom('weights', 'f32', [lists * group, capacity], weights);
        const got = await run(
          one,
          (own, args) => select(own, { ...args, weights: tensor, group, capacity }),
          0,
        );
        arena.dispose();
        expect(got, JSON.stringify({ case: i, group, ...one })).toEqual(withRest(expected));
      }
    });

    test(`${variant}: random tokens, the same for the same seed and step`, async () => {
      const select = await prepareSelectRandom(gpu(), variant);
      for (let i = 0; i < 15; i++) {
        const one = randomCase();
        const { n, lists, budget } = one;
        const seed = random.integer(0, 2 ** 32 - 1);
        const keys = Array.from({ length: lists }, (_, list) =>
          Uint32Array.from({ length: n }, (_, token) => randomScore((seed + list) >>> 0, n - 1, token)),
        );
        const expected = selectLargestReference(keys, n, budget);
        expect(await run(one, select, seed), JSON.stringify({ case: i, seed, ...one })).toEqual(
          withRest(expected),
        );
      }
    });
  }
});
