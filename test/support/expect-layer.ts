/** Holds what a layer chose and made of it against the reference, within what f32 may change. */
import { expect } from 'vitest';
import { attendListedReference, listedBound } from '../../src/kernels/attend/attend-listed.ref.ts';
import type { HashScoring } from '../../src/kernels/hash-reference/step.ref.ts';
import { tailOf } from '../../src/kernels/hash-reference/tail.ref.ts';
import { attendedTokens } from '../../src/kernels/hash-reference/token-set.ref.ts';
import type { TailKind } from '../../src/kernels/shared/token-blocks.ts';
import { expectClose } from '../../src/kernels/testing/expect-close.ts';
import type { LastLayer } from './last-layer.ts';
import { type BoundedValues, bitCosts, decidedTokens, distanceSpan, mapWithBound } from './map-bound.ts';
import type { LayerMaps } from './random-model.ts';

/** Fails where a list is not one that f32 can have come to. Returns how many of the tokens listed f32 leaves open. */
export function expectNearest(last: LastLayer, scoring: HashScoring, maps: LayerMaps): number {
  const { qHeads, kvHeads, headDim, capacity, length, query, keys, lists } = last;
  const group = qHeads / kvHeads;
  const keyHeads = scoring.sharing === 'kv-head' ? kvHeads : qHeads;
  const mapped = Array.from({ length: qHeads }, (_, head) =>
    mapWithBound(maps.query, head, query.subarray(head * headDim, (head + 1) * headDim)),
  );
  const mappedKeys = Array.from({ length: keyHeads }, (_, head) => {
    const kvHead = Math.floor((head * kvHeads) / keyHeads);
    return Array.from({ length }, (_, token): BoundedValues => {
      const row = (kvHead * capacity + token) * headDim;
      return mapWithBound(maps.key, head, keys.subarray(row, row + headDim));
    });
  });
  const perList = scoring.lists === 'kv-head' ? group : 1;
  expect(lists.length).toBe(qHeads / perList);
  let open = 0;
  lists.forEach((list, i) => {
    const queryHeads = mapped.slice(i * perList, (i + 1) * perList);
    // heads with signatures of their own are compared one by one, and their distances added
    const parts =
      scoring.sharing === 'kv-head'
        ? [{ costs: bitCosts(scoring, queryHeads), keys: mappedKeys[Math.floor((i * perList) / group)]! }]
        : queryHeads.map((head, h) => ({
            costs: bitCosts(scoring, [head]),
            keys: mappedKeys[i * perList + h]!,
          }));
    const spans = Array.from({ length }, (_, token) =>
      parts
        .map(({ costs, keys }) => distanceSpan(costs, keys[token]!))
        .reduce((a, b) => ({ least: a.least + b.least, most: a.most + b.most })),
    );
    const { certain, possible } = decidedTokens(spans, last);
    open += last.selected - certain.size;
    expect(list).toEqual([...new Set(list)].sort((a, b) => a - b));
    expect(list.length, `list ${i}`).toBe(last.selected);
    expect(
      [...certain].filter((token) => !list.includes(token)),
      `list ${i}: missing`,
    ).toEqual([]);
    expect(
      list.filter((token) => !possible.has(token)),
      `list ${i}: wrong`,
    ).toEqual([]);
  });
  return open;
}

/** Fails where attended values are not those of the lists. */
export function expectAttended(last: LastLayer, tail: TailKind): void {
  const { qHeads, headDim, length, lists } = last;
  const tokensOf = (head: number) =>
    attendedTokens(length, last, lists[Math.floor((head * lists.length) / qHeads)]!);
  const expected = attendListedReference({ ...last, tokensOf, tail: tailOf(tail, last) });
  const attended = tokensOf(0).length;
  const bound = listedBound(expected, { headDim, attended, splits: 1, runs: 1 });
  expectClose(last.attended, expected.out, bound, `${last.selected} of ${length} tokens`);
}
