import { describe, test } from 'vitest';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import { readF32 } from '../runtime/readback.ts';
import { expectClose, unitF32 } from '../testing/expect-close.ts';
import { Random, runSeed } from '../testing/random.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { targetReference } from './train-target.ref.ts';
import { prepareTrainTarget } from './train-target.ts';

const variants = ['workgroup', 'serial'] as const;

const cases = [
  { lists: 1, heads: 1, tokens: 1, sink: 0, window: 1, positions: [0] },
  // no candidates, none for want of room behind the window, the first ones, all tokens
  { lists: 2, heads: 3, tokens: 300, sink: 4, window: 7, positions: [0, 3, 9, 10, 11, 77, 299] },
  { lists: 3, heads: 1, tokens: 97, sink: 0, window: 1, positions: [0, 1, 50, 96] },
];

describe.each(variants)(`train-target, %s (seed ${runSeed})`, (variant) => {
  const gpu = withGpu();

  test.each(cases)(
    '$lists lists of $heads heads, $tokens tokens, sink $sink, window $window',
    async (one) => {
      const arena = new Arena(gpu());
      const rows = one.positions.length;
      const scale = Math.fround(0.3);
      const products = new Random(runSeed).normals(one.lists * one.heads * rows * one.tokens, 20);
      const positions = Uint32Array.from(one.positions);
      const targets = arena.tensorFrom(
        'targets',
        'f32',
        [one.lists, rows, one.tokens],
        new Float32Array(one.lists * rows * one.tokens).fill(9),
      );
      const target = await prepareTrainTarget(gpu(), variant);
      submitDispatches(gpu(), [
        target(arena, {
          ...one,
          ...{ label: 'targets', rows, targets, scale },
          positions: arena.tensorFrom('positions', 'u32', [rows], positions),
          products: arena.tensorFrom('products', 'f32', [products.length], products),
        }),
      ]);
      const expected = targetReference({ ...one, products, positions, scale });
      // exp(y) errs by (3 + 2|y|) ULP, its argument by |y| units; the sum adds one unit per term of a lane and of the tree
      const span = products.reduce((most, product) => Math.max(most, Math.abs(product)), 0) * 2 * scale;
      const units = 2 * 2 * (3 + 3 * span) + one.tokens / 256 + 16 + one.heads;
      expectClose(
        await readF32(gpu(), targets),
        expected,
        (i) => units * unitF32 * expected[i]! + 1e-37,
        'targets',
      );
      arena.dispose();
    },
  );
});
