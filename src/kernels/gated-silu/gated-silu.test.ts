import { describe, test } from 'vitest';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import { readF32 } from '../runtime/readback.ts';
import { expectClose, unitF32 } from '../testing/expect-close.ts';
import { Random, runSeed } from '../testing/random.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { gatedSiluReference } from './gated-silu.ref.ts';
import { prepareGatedSilu } from './gated-silu.ts';

const cases = [
  { rows: 1, ffn: 1 },
  { rows: 3, ffn: 7 },
  { rows: 5, ffn: 257 },
  { rows: 2, ffn: 14336 },
];

describe(`gated-silu (seed ${runSeed})`, () => {
  const gpu = withGpu();

  test.each(cases)('$rows × $ffn', async ({ rows, ffn }) => {
    const arena = new Arena(gpu());
    const random = new Random(runSeed + rows * 65536 + ffn);
    const projected = random.normals(rows * 2 * ffn, 20);
    // The ends of exp's range: silu(−1000) is 0, silu(1000) is 1000, and nothing is NaN on the way.
    if (ffn > 4) projected.set([-1000, 1000, -88, 88, 0]);
    const out = arena.tensor('out', 'f32', [rows, ffn]);
    const gatedSilu = await prepareGatedSilu(gpu());
    const input = arena.tensorFrom('projected', 'f32', [rows, 2 * ffn], projected);
    submitDispatches(gpu(), [gatedSilu(arena, { label: 'activated', projected: input, out, rows, ffn })]);
    const expected = gatedSiluReference(projected, rows, ffn);
    const gateOf = (i: number): number => projected[i + Math.floor(i / ffn) * ffn]!;
    const upOf = (i: number): number => projected[i + Math.floor(i / ffn) * ffn + ffn]!;
    // WGSL's exp(y) errs by (3 + 2|y|) ULP = twice that in u; division by 2.5 ULP; the clamp by |g|·exp(−80).
    const bound = (i: number): number => {
      const exponent = Math.min(Math.abs(gateOf(i)), 80);
      const clamped = Math.abs(gateOf(i)) * Math.exp(-80) * Math.abs(upOf(i));
      return (2 * (3 + 2 * exponent) + 10) * unitF32 * Math.abs(expected[i]!) + clamped + 1e-30;
    };
    expectClose(await readF32(gpu(), out), expected, bound, 'gated-silu');
    arena.dispose();
  });
});
