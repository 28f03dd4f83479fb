/** What must hold of the reference on any data: the identities that the design rests on. */
import { describe, expect, test } from 'vitest';
import {
  asymmetricPlanes,
  distanceOf,
  quantiseQuery,
} from '../../src/kernels/hash-reference/query-planes.ref.ts';
import { signatureOf } from '../../src/kernels/hash-reference/signature-map.ref.ts';
import { type HashScoring, hashStep } from '../../src/kernels/hash-reference/step.ref.ts';
import {
  attendedTokens,
  selectTokens,
  type TokenBudget,
  tokenRanges,
} from '../../src/kernels/hash-reference/token-set.ref.ts';
import { type TailKind, tailKinds } from '../../src/kernels/shared/token-blocks.ts';
import { Random, runSeed } from '../../src/kernels/testing/random.ts';

describe(`reference step (seed ${runSeed})`, () => {
  test('the distance to asymmetric planes is the inner product of weights and signs', () => {
    const random = new Random(runSeed);
    for (let i = 0; i < 200; i++) {
      const queryBits = random.integer(1, 4);
      const bits = 32 * random.integer(1, 2);
      const weights = quantiseQuery(random.normals(bits, random.next()), queryBits);
      const key = random.normals(bits);
      const product = weights.reduce((sum, weight, bit) => sum + (key[bit]! > 0 ? weight : -weight), 0);
      const distance = distanceOf(asymmetricPlanes(weights, queryBits), () => signatureOf(key));
      expect(product).toBe((2 ** queryBits - 1) * bits - 2 * distance);
    }
  });

  test('query weights: odd, the largest value at the limit, zeros of either sign at 1', () => {
    expect([...quantiseQuery([7.5, -7.5, 0, -0, 0.99, 1, -0.01], 4)]).toEqual([15, -15, 1, 1, 1, 3, -1]);
    expect([...quantiseQuery([3, -1, 0], 1)]).toEqual([1, -1, 1]);
    expect([...quantiseQuery([0, -0], 4)]).toEqual([1, 1]);
  });

  test('sink, list and window: no token twice, ascending, exactly as many as there are', () => {
    const random = new Random(runSeed + 1);
    for (let i = 0; i < 500; i++) {
      const n = random.integer(1, 300);
      const budget: TokenBudget = {
        sink: random.integer(0, 200),
        window: random.integer(1, 200),
        count: random.integer(0, 40),
        share: random.integer(0, 65536),
      };
      const ranges = tokenRanges(n, budget);
      const distances = Array.from({ length: n }, () => random.integer(0, 12));
      const list = selectTokens(distances, ranges);
      const set = attendedTokens(n, ranges, list);
      expect(set).toEqual([...new Set(set)].sort((a, b) => a - b));
      expect(set.length).toBe(ranges.sinkEnd + ranges.selected + n - ranges.windowStart);
      expect(set.at(-1)).toBe(n - 1);
      expect(list.length).toBe(ranges.selected);
      const isBetter = (a: number, b: number) => (distances[a]! - distances[b]! || b - a) < 0;
      const isLeft = (token: number) =>
        token >= ranges.sinkEnd && token < ranges.windowStart && !list.includes(token);
      const left = [...distances.keys()].filter(isLeft);
      expect(left.filter((token) => !list.every((taken) => isBetter(taken, token)))).toEqual([]);
    }
  });

  test.each([
    { score: 'asymmetric', queryBits: 3, sharing: 'kv-head', lists: 'kv-head' },
    { score: 'asymmetric', queryBits: 4, sharing: 'query-head', lists: 'query-head' },
    { score: 'hamming', queryBits: 1, sharing: 'query-head', lists: 'kv-head' },
    { score: 'hamming', queryBits: 1, sharing: 'query-head', lists: 'query-head' },
  ] satisfies HashScoring[])(
    '$score, maps per $sharing, lists per $lists: everything selected is dense',
    (scoring) => {
      const random = new Random(runSeed + 2);
      const [qHeads, kvHeads, headDim, n] = [6, 2, 32, 40];
      const stage = (heads: number, inputs: number, outputs: number) => ({
        inputs,
        outputs,
        weight: random.normals(heads * inputs * outputs, 1 / Math.sqrt(inputs)),
        bias: random.normals(heads * outputs, 0.1),
      });
      const mapOf = (heads: number) => [stage(heads, headDim, 21), stage(heads, 21, 64)];
      const step = (count: number, tail: TailKind) =>
        hashStep({ ...input, budget: { sink: 3, window: 5, count, share: 0 }, tail });
      const input = {
        ...{ scoring, qHeads, kvHeads, headDim },
        queryMap: mapOf(qHeads),
        keyMap: mapOf(scoring.sharing === 'kv-head' ? kvHeads : qHeads),
        query: random.normals(qHeads * headDim),
        keys: random.normals(kvHeads * n * headDim),
        values: random.normals(kvHeads * n * headDim),
      };
      const all = step(n, 'mean');
      const lists = scoring.lists === 'kv-head' ? kvHeads : qHeads;
      expect(all.lists).toEqual(
        Array.from({ length: lists }, () => Array.from({ length: 32 }, (_, i) => 3 + i)),
      );
      expect(all.attended).toEqual(step(n, 'none').attended);
      expect(all.attended).toEqual(step(n, 'blocks').attended);
      const few = tailKinds.map((tail) => step(7, tail));
      expect(new Set(few.map(({ attended }) => String(attended))).size).toBe(3);
      expect(new Set(few[0]!.lists.map(String)).size).toBeGreaterThan(1);
    },
  );
});
