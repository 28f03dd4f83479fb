import { describe, expect, test } from 'vitest';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import { readF32, readU32 } from '../runtime/readback.ts';
import { expectClose, unitF32 } from '../testing/expect-close.ts';
import { Random, runSeed } from '../testing/random.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { prepareTokenLoss } from './token-loss.ts';

describe(`token-loss (seed ${runSeed})`, () => {
  const gpu = withGpu();

  test.each([1, 7, 1000, 49152])('%i tokens in the vocabulary', async (vocab) => {
    const random = new Random(runSeed + vocab);
    const arena = new Arena(gpu());
    const rows = 5;
    const logits = random.normals(rows * vocab, 8);
    // Row 1: all alike, so that the lowest id wins; row 2: one far above the rest.
    logits.fill(-20, vocab, 2 * vocab);
    logits[2 * vocab + random.integer(0, vocab - 1)] = 300;
    const targets = Uint32Array.from({ length: rows }, () => random.integer(0, vocab - 1));
    const losses = arena.tensor('losses', 'f32', [rows]);
    const tops = arena.tensor('tops', 'u32', [rows]);
    const loss = await prepareTokenLoss(gpu());
    submitDispatches(gpu(), [
      loss(arena, {
        label: 'loss',
        logits: arena.tensorFrom('logits', 'f32', [rows, vocab], logits),
        targets: arena.tensorFrom('targets', 'u32', [rows], targets),
        ...{ losses, tops, rows, vocab },
      }),
    ]);
    const rowsOf = Array.from({ length: rows }, (_, row) => logits.subarray(row * vocab, (row + 1) * vocab));
    const highest = rowsOf.map((row) => row.reduce((a, b) => Math.max(a, b)));
    const expected = rowsOf.map((row, i) => {
      const sum = row.reduce((total, logit) => total + Math.exp(logit - highest[i]!), 0);
      return Math.log(sum) + highest[i]! - row[targets[i]!]!;
    });
    // exp errs by 3 + 2|x| ulp and what matters is |x| ≤ 90; sums of vocab terms; log and differences of the logits.
    const bound = (2 * (3 + 180) + vocab + 8 + 2 * 700) * unitF32;
    expectClose(await readF32(gpu(), losses), expected, () => bound, `vocabulary of ${vocab}`);
    const wanted = rowsOf.map((row, i) => row.indexOf(highest[i]!));
    expect([...(await readU32(gpu(), tops))]).toEqual(wanted);
    arena.dispose();
  });
});
