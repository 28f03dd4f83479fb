import { describe, expect, test } from 'vitest';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import { readF32 } from '../runtime/readback.ts';
import { expectClose, unitF32 } from '../testing/expect-close.ts';
import { Random, runSeed } from '../testing/random.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { candidateRange } from '../train-target/train-target.ref.ts';
import { lossReference } from './train-loss.ref.ts';
import { prepareTrainLoss } from './train-loss.ts';

const kinds = ['mass', 'bce'] as const;
const variants = ['workgroup', 'serial'] as const;

describe(`train-loss (seed ${runSeed})`, () => {
  const gpu = withGpu();

  const cases = kinds.flatMap((kind) => variants.map((variant) => ({ kind, variant })));

  test.each(cases)('$kind, $variant: rows of no, one, few and many candidates', async ({ kind, variant }) => {
    const arena = new Arena(gpu());
    const random = new Random(runSeed);
    const [lists, tokens, sink, window, allLists, firstList] = [2, 400, 3, 5, 4, 1];
    const positions = Uint32Array.of(0, 6, 7, 8, 40, 399);
    const rows = positions.length;
    const [scale, share] = [Math.fround(0.7), Math.fround(0.01)];
    const scores = random.normals(lists * rows * tokens, 4);
    const targets = random.normals(scores.length, 5).map((value) => Math.exp(value - 10));
    targets[rows * tokens - 1] = 0;
    const results = arena.tensor('results', 'f32', [2, allLists * rows]);
    const scoresOnGpu = arena.tensorFrom('scores', 'f32', [scores.length], scores);
    const loss = await prepareTrainLoss(gpu(), kind, variant);
    submitDispatches(gpu(), [
      loss(arena, {
        ...{ label: 'loss', lists, rows, tokens, sink, window, share, results, scores: scoresOnGpu },
        ...{ allRows: allLists * rows, firstResult: firstList * rows, scaleIndex: 2 },
        positions: arena.tensorFrom('positions', 'u32', [rows], positions),
        targets: arena.tensorFrom('targets', 'f32', [targets.length], targets),
        parameters: arena.tensorFrom('parameters', 'f32', [3], Float32Array.of(5, 6, scale)),
      }),
    ]);
    const slopes = await readF32(gpu(), scoresOnGpu);
    const gotResults = await readF32(gpu(), results);
    for (let line = 0; line < lists * rows; line++) {
      const { begin, end } = candidateRange(positions[line % rows]!, { sink, window });
      const [first, last] = [line * tokens + begin, line * tokens + end];
      const row = { scores: scores.subarray(first, last), targets: targets.subarray(first, last) };
      const expected = lossReference({ kind, ...row, scale, share });
      const whole = new Float64Array(tokens);
      whole.set(expected.slopes, begin);
      // exp(y) errs by (3 + 2|y|) ULP, log by 3 and more near 1; sums add a unit per term of a lane and of the tree
      const span = 2 * scale * row.scores.reduce((most, score) => Math.max(most, Math.abs(score)), 0);
      const units = 2 * (3 + 3 * span) + 24;
      const mass = row.targets.reduce((a, b) => a + b, 0);
      const size = kind === 'mass' ? mass : 20;
      const slopeBound = (i: number): number => {
        const inRow = i - begin;
        const isUsed = inRow >= 0 && inRow < row.scores.length;
        const magnitude =
          kind === 'mass'
            ? Math.abs(expected.slopes[inRow]!) + 2 * share * scale * row.targets[inRow]!
            : Math.abs(expected.slopes[inRow]!);
        return isUsed ? 2 * units * unitF32 * magnitude + 1e-32 : 0;
      };
      const what = `${kind}, row ${line}`;
      expectClose(slopes.subarray(line * tokens, (line + 1) * tokens), whole, slopeBound, what);
      const at = firstList * rows + line;
      const most = size * share * (span + 8) * Math.max(1, kind === 'bce' ? row.scores.length : 1);
      expectClose([gotResults[at]!], [expected.loss], () => 2 * units * unitF32 * most, `${what}: loss`);
      const slopeSize = (2 * size * share * span) / scale;
      const got = gotResults[allLists * rows + at]!;
      expectClose([got], [expected.scaleSlope], () => 2 * units * unitF32 * slopeSize, `${what}: slope by t`);
    }
    const outside = [...gotResults].filter((_, i) => {
      const list = Math.floor((i % (allLists * rows)) / rows);
      return list < firstList || list >= firstList + lists;
    });
    expect(outside.every((value) => value === 0)).toBe(true);
    arena.dispose();
  });

  test.each(kinds)('%s: slopes are those of finite differences', (kind) => {
    const random = new Random(runSeed);
    const scores = Float64Array.from(random.normals(50, 2));
    const targets = Float64Array.from(random.normals(50), Math.exp);
    const input = { kind, scores, targets, scale: 0.8, share: 0.3 };
    const { slopes, scaleSlope } = lossReference(input);
    const h = 1e-5;
    const lossAt = (i: number, by: number): number => {
      const moved = Float64Array.from(scores);
      moved[i]! += by;
      return lossReference({ ...input, scores: moved }).loss;
    };
    // central differences: h² / 6 of the third derivative, at most about 30 here, and rounding over h
    const bound = 1e-8;
    const differences = slopes.map((_, i) => (lossAt(i, h) - lossAt(i, -h)) / (2 * h));
    expectClose(slopes, differences, () => bound, 'slopes by the scores');
    if (kind === 'bce') return;
    const [up, down] = [0.8 + h, 0.8 - h].map((scale) => lossReference({ ...input, scale }).loss);
    expectClose([scaleSlope], [(up! - down!) / (2 * h)], () => 10 * bound, 'slope by t');
  });
});
