import { describe, test } from 'vitest';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import { readF32 } from '../runtime/readback.ts';
import { dotBound, expectClose } from '../testing/expect-close.ts';
import { Random, runSeed } from '../testing/random.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { productReference } from './train-product.ref.ts';
import { type ProductOperand, prepareTrainProduct } from './train-product.ts';

type Strides = Omit<ProductOperand, 'data'>;

interface Case {
  readonly name: string;
  readonly batches: number;
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  readonly left: Strides;
  readonly right: Strides;
  readonly depthPerSplit?: number;
}

const cases: readonly Case[] = [
  {
    name: 'one number',
    ...{ batches: 1, rows: 1, columns: 1, depth: 1 },
    left: { step: 1, depth: 1 },
    right: { step: 1, depth: 1 },
  },
  {
    name: 'both along the depth, three batches sharing one left matrix',
    ...{ batches: 3, rows: 65, columns: 70, depth: 33 },
    left: { step: 40, depth: 1, batch: 65 * 40, share: 3, offset: 5 },
    right: { step: 33, depth: 1, batch: 70 * 33 },
  },
  {
    name: 'neither along the depth, in splits of 50',
    ...{ batches: 2, rows: 30, columns: 130, depth: 170, depthPerSplit: 50 },
    left: { step: 1, depth: 31, batch: 31 * 170 },
    right: { step: 1, depth: 130, batch: 130 * 170, offset: 3 },
  },
  {
    name: 'a column of ones in the depth: inputs times a map with its bias',
    ...{ batches: 4, rows: 129, columns: 32, depth: 18 },
    left: { step: 17, depth: 1, batch: 17 * 129, share: 2, hasOnes: true },
    right: { step: 18, depth: 1, batch: 18 * 32 },
  },
  {
    name: 'a column of ones in the columns: the gradient of a map with its bias',
    ...{ batches: 2, rows: 32, columns: 65, depth: 300, depthPerSplit: 128 },
    left: { step: 1, depth: 32, batch: 32 * 300 },
    right: { step: 1, depth: 64, batch: 64 * 300, hasOnes: true },
  },
];

describe.each(['workgroup', 'serial'] as const)(`train-product, %s (seed ${runSeed})`, (variant) => {
  const gpu = withGpu();

  test.each(cases)('$name', async (one) => {
    const arena = new Arena(gpu());
    const random = new Random(runSeed + one.rows);
    const { batches, rows, columns, depth, depthPerSplit = depth } = one;
    const sizeOf = ({ offset = 0, batch = 0, share = 1 }: Strides, most: number): number =>
      offset + Math.ceil(batches / share) * Math.max(batch, most);
    const left = random.normals(sizeOf(one.left, rows * depth + depth * one.left.step));
    const right = random.normals(sizeOf(one.right, columns * depth + depth * one.right.step));
    const splits = Math.ceil(depth / depthPerSplit);
    const rowStride = columns + 2;
    const size = batches * rows * rowStride;
    const before = random.normals(7 + splits * size);
    const out = arena.tensorFrom('out', 'f32', [before.length], before);
    const product = await prepareTrainProduct(gpu(), variant);
    submitDispatches(gpu(), [
      product(arena, {
        ...{ label: 'product', batches, rows, columns, depth, depthPerSplit },
        left: { ...one.left, data: arena.tensorFrom('left', 'f32', [left.length], left) },
        right: { ...one.right, data: arena.tensorFrom('right', 'f32', [right.length], right) },
        out: { data: out, offset: 7, batch: rows * rowStride, row: rowStride, splitStride: size },
      }),
    ]);
    const got = await readF32(gpu(), out);
    const { out: expected, magnitude } = productReference({
      ...one,
      left: { ...one.left, data: left },
      right: { ...one.right, data: right },
    });
    const sums = expected.map((_, i) => {
      const at = 7 + Math.floor(i / columns) * rowStride + (i % columns);
      return Array.from({ length: splits }, (_, split) => got[at + split * size]!).reduce((a, b) => a + b);
    });
    expectClose(sums, expected, (i) => dotBound(depth, magnitude[i]!), one.name);
    const between = [...got].filter((_, i) => i < 7 || (i - 7) % rowStride >= columns);
    const untouched = [...before].filter((_, i) => i < 7 || (i - 7) % rowStride >= columns);
    expectClose(between, untouched, () => 0, `${one.name}: what lies between rows`);
    arena.dispose();
  });
});
