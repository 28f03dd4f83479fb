import { describe, expect, test } from 'vitest';
import { type BoundedValues, boundedMap, boundedSum, certainLevels } from '../hash-query/hash-query.ref.ts';
import { asymmetricPlanes, hammingPlanes, quantiseQuery } from '../hash-reference/query-planes.ref.ts';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import { readU32 } from '../runtime/readback.ts';
import { Random, runSeed } from '../testing/random.ts';
import { randomSignatureMap } from '../testing/random-signature-map.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { prepareHashRows } from './hash-rows.ts';

describe(`hash-rows (seed ${runSeed})`, () => {
  const gpu = withGpu();

  test.each([
    { score: { kind: 'asymmetric', queryBits: 4 }, qHeads: 6, lists: 2, widths: [64, 64, 32] },
    { score: { kind: 'asymmetric', queryBits: 2 }, qHeads: 2, lists: 2, widths: [34, 19, 64] },
    { score: { kind: 'hamming' }, qHeads: 6, lists: 2, widths: [64, 128, 128, 32] },
    { score: { kind: 'hamming' }, qHeads: 3, lists: 3, widths: [10, 64] },
  ] as const)(
    '$score, $lists lists of $qHeads heads, widths $widths',
    async ({ score, qHeads, lists, widths }) => {
      const random = new Random(runSeed + widths[0]);
      const arena = new Arena(gpu());
      const headDim = widths[0];
      const rows = 9;
      const room = rows + 2;
      const bits = widths.at(-1)!;
      const words = bits / 32;
      const group = qHeads / lists;
      const planeCount = score.kind === 'asymmetric' ? score.queryBits : group;
      const { map, stages } = randomSignatureMap(arena, random, qHeads, widths);
      const query = random.normals(room * qHeads * headDim, 2);
      query.fill(0, qHeads * headDim, 2 * qHeads * headDim);
      const planes = arena.tensor('planes', 'u32', [room, lists, planeCount, words]);
      const hash = await prepareHashRows(gpu());
      submitDispatches(gpu(), [
        hash(arena, {
          label: 'planes',
          step: { buffer: arena.uniform('step', Uint32Array.of(50, rows, 0, 0).buffer) },
          query: arena.tensorFrom('query', 'f32', [room, qHeads, headDim], query),
          queryMap: map,
          ...{ planes, score, lists, rows: room, headDim },
        }),
      ]);
      const got = await readU32(gpu(), planes);
      let uncertain = 0;
      for (let row = 0; row < rows; row++) {
        const mapped = Array.from({ length: qHeads }, (_, head) => {
          const at = (row * qHeads + head) * headDim;
          return boundedMap(stages, head, query.subarray(at, at + headDim));
        });
        for (let list = 0; list < lists; list++) {
          const heads = mapped.slice(list * group, (list + 1) * group);
          const { expected, certain } = expectedPlanes(heads, score);
          for (let plane = 0; plane < planeCount; plane++) {
            for (let bit = 0; bit < bits; bit++) {
              if (!certain(plane, bit)) {
                uncertain++;
                continue;
              }
              const at = plane * words + (bit >> 5);
              const word = got[(row * lists + list) * planeCount * words + at]!;
              const where = `row ${row}, list ${list}, plane ${plane}, bit ${bit}`;
              expect((word >>> (bit & 31)) & 1, where).toBe((expected[at]! >>> (bit & 31)) & 1);
            }
          }
        }
      }
      expect(uncertain, 'few bits are uncertain').toBeLessThan(0.03 * rows * lists * planeCount * bits + 3);
      expect([...got.subarray(rows * lists * planeCount * words)].every((word) => word === 0)).toBe(true);
      arena.dispose();
    },
  );
});

function expectedPlanes(
  heads: readonly BoundedValues[],
  score: { readonly kind: 'asymmetric'; readonly queryBits: number } | { readonly kind: 'hamming' },
): { expected: Uint32Array; certain: (plane: number, bit: number) => boolean } {
  if (score.kind === 'hamming') {
    return {
      expected: hammingPlanes(heads.map(({ values }) => values)).words,
      certain: (plane, bit) => Math.abs(heads[plane]!.values[bit]!) > heads[plane]!.bounds[bit]!,
    };
  }
  const sum = boundedSum(heads);
  const isCertain = certainLevels(sum, score.queryBits);
  const weights = quantiseQuery(sum.values, score.queryBits);
  return {
    expected: asymmetricPlanes(weights, score.queryBits).words,
    certain: (_, bit) => isCertain[bit]!,
  };
}
