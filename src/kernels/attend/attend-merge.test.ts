/** Merges by themselves: what they make of partial results, and that they leave the same packed where asked to. */
import { describe, expect, test } from 'vitest';
import { Arena } from '../runtime/arena.ts';
import { type Dispatch, submitDispatches } from '../runtime/dispatch.ts';
import { Gpu } from '../runtime/gpu.ts';
import { readBytes, readF32 } from '../runtime/readback.ts';
import { packedBytes } from '../shared/packed-vector.ts';
import { expectClose, unitF32 } from '../testing/expect-close.ts';
import { expectPacked } from '../testing/expect-packed.ts';
import { Random, runSeed } from '../testing/random.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { mergePacks, prepareMerge } from './attend-merge.ts';
import { prepareMergeTail } from './merge-tail.ts';
import { planLists } from './sparse-split.ts';
import { partialsShape } from './split-plan.ts';

const shapes = [
  { headDim: 128, group: 4, kvHeads: 2, splits: 19 },
  { headDim: 80, group: 2, kvHeads: 1, splits: 1 },
  { headDim: 8, group: 4, kvHeads: 1, splits: 40 },
] as const;

describe(`merges (seed ${runSeed})`, () => {
  const gpu = withGpu();
  /** The same device as one whose products read packed vectors. */
  const graphics = () => new Gpu(gpu().device, { ...gpu().traits, integerProductsFrom: 32 });

  /** Runs a dispatch of `qHeads` · `headDim` results with and without packing; both leave the same f32. */
  async function merged(
    arena: Arena,
    values: number,
    merge: (out: { buffer: GPUBuffer; packed?: { buffer: GPUBuffer } }) => Dispatch,
    what: string,
  ): Promise<Float32Array> {
    const out = arena.tensor('out', 'f32', [values]);
    submitDispatches(gpu(), [merge(out)]);
    const plain = await readF32(gpu(), out);
    const both = arena.tensor('out', 'f32', [values]);
    const packed = { buffer: arena.buffer('packed', packedBytes(values)) };
    submitDispatches(gpu(), [merge({ ...both, packed })]);
    const got = await readF32(gpu(), both);
    expectClose(got, plain, (i) => 2 * unitF32 * Math.abs(plain[i]!), `${what}: with packing`);
    const planes = new Uint32Array(await readBytes(gpu(), packed, packedBytes(values)));
    expectPacked(planes, got, null, what);
    return got;
  }

  test('weigh the splits by their maxima, and leave the result packed', async () => {
    for (const { headDim, group, kvHeads, splits } of shapes) {
      const random = new Random(runSeed + headDim);
      const arena = new Arena(gpu());
      const qHeads = kvHeads * group;
      const shape = partialsShape(qHeads, splits, headDim);
      const stride = headDim + 4;
      const partials = random.normals(qHeads * splits * stride, 2);
      for (let row = 0; row < qHeads * splits; row++) {
        partials[row * stride + headDim + 1] = 1 + 9 * random.next(); // a sum of weights
      }
      const merge = await prepareMerge(graphics(), 'workgroup', { headDim, group });
      const tensor = arena.tensorFrom('partials', 'f32', shape, partials);
      const what = JSON.stringify({ headDim, group, kvHeads, splits });
      const got = await merged(
        arena,
        qHeads * headDim,
        (out) => merge(arena, { label: 'merge', partials: tensor, out, kvHeads, splits }),
        what,
      );
      const expected = new Float64Array(qHeads * headDim);
      const magnitudes = new Float64Array(qHeads * headDim);
      for (let head = 0; head < qHeads; head++) {
        const row = (split: number): Float32Array =>
          partials.subarray((head * splits + split) * stride, (head * splits + split + 1) * stride);
        const rows = Array.from({ length: splits }, (_, split) => row(split));
        const weights = rows.map((each) => 2 ** each[headDim]!);
        const total = rows.reduce((sum, each, split) => sum + weights[split]! * each[headDim + 1]!, 0);
        for (let d = 0; d < headDim; d++) {
          for (const [split, each] of rows.entries()) {
            expected[head * headDim + d]! += (weights[split]! * each[d]!) / total;
            magnitudes[head * headDim + d]! += (weights[split]! * Math.abs(each[d]!)) / total;
          }
        }
      }
      // per split a product and a sum, a rescaling for each four; exp2 of differences up to 16: 2 · (3 + 2 · 16); twice
      const roundings = 2 * (3 * splits + 2 * (3 + 2 * 16));
      expectClose(got, expected, (i) => roundings * unitF32 * magnitudes[i]!, what);
      arena.dispose();
    }
  });

  test('leave the result packed with a tail, too', async () => {
    const random = new Random(runSeed - 1);
    const [headDim, group, kvHeads, splits, slots] = [64, 4, 2, 5, 3];
    const arena = new Arena(gpu());
    const layout = planLists(gpu(), 'workgroup', { headDim, group, lists: 'kv-head' });
    const merge = await prepareMergeTail(graphics(), 'workgroup', { headDim, group }, layout);
    const qHeads = kvHeads * group;
    const randoms = (label: string, shape: readonly number[]) => {
      const values = random.normals(shape.reduce((product, size) => product * size, 1));
      return arena.tensorFrom(label, 'f32', shape, values.map(Math.abs));
    };
    const position = 300;
    const args = {
      label: 'merge',
      step: { buffer: arena.uniform('step', Uint32Array.of(position, 1, 0, 0).buffer) },
      budget: { buffer: arena.uniform('budget', Uint32Array.of(8, 16, 40, 0).buffer) },
      query: randoms('query', [qHeads, headDim]),
      tailSums: randoms('tailSums', layout.tailSumsShape(kvHeads, slots, splits)),
      partials: randoms('partials', partialsShape(qHeads, splits, headDim)),
      ...{ kvHeads, splits, slots },
    };
    await merged(arena, qHeads * headDim, (out) => merge(arena, { ...args, out }), 'tail');
    arena.dispose();
  });

  test('pack nothing where a head is no whole number of octets, or products read no packed vectors', async () => {
    expect(mergePacks(graphics(), 64, 'subgroup')).toBe(true);
    expect(mergePacks(graphics(), 36)).toBe(false);
    expect(
      mergePacks(new Gpu(gpu().device, { ...gpu().traits, integerProductsFrom: null }), 64, 'subgroup'),
    ).toBe(false);
    const arena = new Arena(gpu());
    const merge = await prepareMerge(graphics(), 'serial', { headDim: 64, group: 1 });
    const packed = { buffer: arena.buffer('packed', packedBytes(64)) };
    const out = { ...arena.tensor('out', 'f32', [64]), packed };
    const partials = arena.tensor('partials', 'f32', partialsShape(1, 1, 64));
    expect(() => merge(arena, { label: 'merge', partials, out, kvHeads: 1, splits: 1 })).toThrow(
      'leaves nothing',
    );
    arena.dispose();
  });
});
