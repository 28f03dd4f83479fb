import { describe, test } from 'vitest';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import { readF32 } from '../runtime/readback.ts';
import { expectClose, unitF32 } from '../testing/expect-close.ts';
import { Random, runSeed } from '../testing/random.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { rmsNormReference } from './rms-norm.ref.ts';
import { prepareRmsNorm } from './rms-norm.ts';

const cases = [
  { rows: 1, width: 1 },
  { rows: 3, width: 7 },
  { rows: 5, width: 257 },
  { rows: 9, width: 576 },
  { rows: 2, width: 4096 },
];

describe(`rms-norm (seed ${runSeed})`, () => {
  const gpu = withGpu();

  for (const variant of ['workgroup', 'serial'] as const) {
    test.each(cases)(`${variant}: $rows × $width`, async ({ rows, width }) => {
      const arena = new Arena(gpu());
      const random = new Random(runSeed + rows * 8192 + width);
      const eps = 1e-5;
      // Rows of very different sizes: the last one is all zero, where eps alone keeps the result finite.
      const x = random.normals(rows * width).map((value, i) => value * 10 ** (Math.floor(i / width) - 2));
      if (rows > 1) x.fill(0, (rows - 1) * width);
      const weight = random.normals(width);
      const out = arena.tensor('out', 'f32', [rows, width]);
      const rmsNorm = await prepareRmsNorm(gpu(), { variant });
      const dispatch = rmsNorm(arena, {
        label: 'normed',
        x: arena.tensorFrom('x', 'f32', [rows, width], x),
        weight: arena.tensorFrom('weight', 'f32', [width], weight),
        out,
        rows,
        width,
        eps,
      });
      submitDispatches(gpu(), [dispatch]);
      const expected = rmsNormReference(x, weight, rows, width, eps);
      // The sum of squares is off by (width + 1)·u, its root by half of that; the rest is six roundings
      // and inverseSqrt (2 ULP = 4u).
      const relative = ((width + 1) / 2 + 10) * unitF32;
      const bound = (i: number): number => relative * Math.abs(expected[i]!) + 1e-30;
      expectClose(await readF32(gpu(), out), expected, bound, `${variant} rms-norm`);
      arena.dispose();
    });
  }
});
