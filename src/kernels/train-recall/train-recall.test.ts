import { describe, expect, test } from 'vitest';
import { quantiseQuery } from '../hash-reference/query-planes.ref.ts';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import { readF32 } from '../runtime/readback.ts';
import { dotBound, expectClose } from '../testing/expect-close.ts';
import { Random, runSeed } from '../testing/random.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { candidateRange } from '../train-target/train-target.ref.ts';
import { recallReference } from './train-recall.ref.ts';
import { prepareTrainRecall } from './train-recall.ts';

describe(`train-recall (seed ${runSeed})`, () => {
  const gpu = withGpu();

  test.each([1, 2, 4])('queries become levels of %i bits', async (queryBits) => {
    const arena = new Arena(gpu());
    const [rows, bits] = [70, 32];
    const values = new Random(runSeed).normals(rows * bits);
    values.fill(0, bits, 2 * bits);
    const out = arena.tensor('out', 'f32', [rows, bits]);
    const { levels } = await prepareTrainRecall(gpu());
    const input = arena.tensorFrom('values', 'f32', [rows, bits], values);
    submitDispatches(gpu(), [levels(arena, { label: 'levels', values: input, out, rows, bits, queryBits })]);
    const got = await readF32(gpu(), out);
    for (let row = 0; row < rows; row++) {
      const own = values.subarray(row * bits, (row + 1) * bits);
      const scale =
        own.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / (2 ** (queryBits - 1) - 0.5);
      const expected = quantiseQuery(own, queryBits);
      // where a quotient is this near to an integer, f32 may round it to the other side
      const isCertain = (value: number): boolean =>
        Math.abs(value / scale - Math.round(value / scale)) > 1e-5;
      const bound = (i: number): number => (scale === 0 || isCertain(own[i]!) ? 0 : 2);
      expectClose(got.subarray(row * bits, (row + 1) * bits), expected, bound, `row ${row}`);
    }
    arena.dispose();
  });

  test.each(['workgroup', 'serial'] as const)(
    '%s: recall and mass, with many ties, negative scores and rows without candidates',
    async (variant) => {
      const arena = new Arena(gpu());
      const random = new Random(runSeed);
      const [lists, tokens, sink, window, share] = [2, 600, 4, 9, 1 / 16];
      const positions = Uint32Array.of(0, 12, 13, 100, 599);
      const rows = positions.length;
      const scores = Float32Array.from({ length: lists * rows * tokens }, () => random.integer(-6, 6));
      const targets = random.normals(scores.length, 3).map(Math.exp);
      targets.fill(0, 3 * tokens, 3 * tokens + 90);
      const results = arena.tensor('results', 'f32', [1 + lists * rows, 4]);
      const { recall } = await prepareTrainRecall(gpu(), variant);
      submitDispatches(gpu(), [
        recall(arena, {
          ...{ label: 'recall', lists, rows, tokens, sink, window, share, results, firstResult: 1 },
          positions: arena.tensorFrom('positions', 'u32', [rows], positions),
          targets: arena.tensorFrom('targets', 'f32', [targets.length], targets),
          scores: arena.tensorFrom('scores', 'f32', [scores.length], scores),
        }),
      ]);
      const got = await readF32(gpu(), results);
      for (let line = 0; line < lists * rows; line++) {
        const n = positions[line % rows]! + 1;
        const { begin, end } = candidateRange(n - 1, { sink, window });
        const [first, last] = [line * tokens + begin, line * tokens + end];
        const expected = recallReference({
          ...{ targets: targets.subarray(first, last), scores: scores.subarray(first, last), n, share },
        });
        const own = got.subarray(4 * (line + 1), 4 * (line + 2));
        const bound = (i: number): number => dotBound(i === 0 ? 1 : end, expected[i]!);
        expectClose(own, expected, bound, `row ${line}`);
      }
      expect([...got.subarray(0, 4)]).toEqual([0, 0, 0, 0]);
      arena.dispose();
    },
  );
});
