import { describe, expect, test } from 'vitest';
import { Random, runSeed } from '../../kernels/testing/random.ts';
import { compareWithDense, type LayerStep } from './compare-with-dense.ts';

describe(`compareWithDense (seed ${runSeed})`, () => {
  test('counts the true top tokens, ties most recent first', () => {
    // Six tokens, sink of one, window of one: candidates 1 … 4, of which 2 and 4 were selected.
    const step: LayerStep = {
      contextTokens: 6,
      set: { sinkEnd: 1, windowStart: 5, selected: 2 },
      tokenLists: Uint32Array.of(2, 4, 99),
      lists: 1,
      weights: Float32Array.of(0.5, 0.125, 0.0625, 0.125, 0.0625, 0.125, 9, 9),
      sparse: Float32Array.of(3, 5),
      dense: Float32Array.of(3, 4),
      qHeads: 1,
    };
    expect(compareWithDense(step)).toEqual({
      lists: [{ tokens: Uint32Array.of(2, 4), recall: 0 }],
      heads: [{ mass: 0.75, outputError: 0.2 }],
    });
    const recent = compareWithDense({ ...step, tokenLists: Uint32Array.of(3, 4, 99) });
    expect(recent.lists[0]?.recall).toBe(0.5);
    // Three of equal weight for two places: the later two.
    const weights = Float32Array.of(0.5, 0.125, 0.125, 0.125, 0, 0.125, 9, 9);
    const tied = compareWithDense({ ...step, weights, tokenLists: Uint32Array.of(2, 3, 99) });
    expect(tied.lists[0]?.recall).toBe(1);
    expect(
      compareWithDense({ ...step, weights, tokenLists: Uint32Array.of(1, 2, 99) }).lists[0]?.recall,
    ).toBe(0.5);
  });

  test('nothing selected: no recall; an output of zeros: no error', () => {
    const { lists, heads } = compareWithDense({
      contextTokens: 3,
      set: { sinkEnd: 1, windowStart: 2, selected: 0 },
      tokenLists: new Uint32Array(1),
      lists: 1,
      weights: Float32Array.of(0.25, 0.5, 0.25),
      sparse: new Float32Array(2),
      dense: new Float32Array(2),
      qHeads: 1,
    });
    expect(lists).toEqual([{ tokens: new Uint32Array(0), recall: null }]);
    expect(heads).toEqual([{ mass: 0.5, outputError: 0 }]);
  });

  test('equals plain sorting and set membership over random steps', () => {
    const random = new Random(runSeed);
    for (let round = 0; round < 200; round++) {
      const kvHeads = random.integer(1, 3);
      const group = random.integer(1, 4);
      const qHeads = kvHeads * group;
      const lists = random.integer(0, 1) === 0 ? kvHeads : qHeads;
      const contextTokens = random.integer(1, 60);
      const capacity = contextTokens + random.integer(0, 5);
      const sinkEnd = random.integer(0, contextTokens - 1);
      const windowStart = random.integer(sinkEnd, contextTokens - 1);
      const candidates = windowStart - sinkEnd;
      const selected = random.integer(0, candidates);
      const listCapacity = selected + random.integer(1, 3);
      // Few different weights, so that ties are common.
      const weights = Float32Array.from({ length: qHeads * capacity }, () => random.integer(0, 4) / 8);
      const chosen = Array.from({ length: lists }, () => {
        const ranked = Array.from({ length: candidates }, (_, i) => ({
          token: sinkEnd + i,
          rank: random.next(),
        }));
        ranked.sort((a, b) => a.rank - b.rank);
        return ranked
          .slice(0, selected)
          .map(({ token }) => token)
          .sort((a, b) => a - b);
      });
      const tokenLists = Uint32Array.from(
        chosen.flatMap((tokens) => [...tokens, ...new Array<number>(listCapacity - selected).fill(7777)]),
      );
      const outputs = random.normals(2 * qHeads * 4);
      const step: LayerStep = {
        ...{ contextTokens, set: { sinkEnd, windowStart, selected }, tokenLists, lists, weights, qHeads },
        sparse: outputs.subarray(0, qHeads * 4),
        dense: outputs.subarray(qHeads * 4),
      };
      const got = compareWithDense(step);
      const what = `round ${round}, seed ${runSeed}`;
      const perList = qHeads / lists;
      chosen.forEach((tokens, list) => {
        const scoreOf = (token: number): number =>
          Array.from({ length: perList }, (_, i) => weights[(list * perList + i) * capacity + token]!).reduce(
            (a, b) => a + b,
          );
        const ranked = Array.from({ length: candidates }, (_, i) => sinkEnd + i);
        ranked.sort((a, b) => scoreOf(b) - scoreOf(a) || b - a);
        const top = new Set(ranked.slice(0, selected));
        const found = tokens.filter((token) => top.has(token)).length;
        expect(got.lists[list], what).toEqual({
          tokens: Uint32Array.from(tokens),
          recall: selected === 0 ? null : found / selected,
        });
      });
      got.heads.forEach(({ mass, outputError }, head) => {
        const tokens = new Set(chosen[Math.floor(head / perList)]);
        let caught = 0;
        for (let token = 0; token < contextTokens; token++) {
          const isAttended = token < sinkEnd || token >= windowStart || tokens.has(token);
          if (isAttended) caught += weights[head * capacity + token]!;
        }
        expect(mass, what).toBe(caught); // eighths add up exactly
        const part = (from: Float32Array): number[] => [...from.subarray(head * 4, head * 4 + 4)];
        const size = Math.hypot(...part(step.dense));
        const difference = part(step.sparse).map((value, i) => value - part(step.dense)[i]!);
        expect(outputError, what).toBeCloseTo(Math.hypot(...difference) / size, 10);
      });
    }
  });
});
