/** Attention over lists, with and without tail, against an independent program's step over real keys and values. */
import { describe, expect, test } from 'vitest';
import { prepareAttendBlocks } from '../../src/kernels/attend/attend-blocks.ts';
import { attendListedReference, listedBound } from '../../src/kernels/attend/attend-listed.ref.ts';
import { prepareAttendListed } from '../../src/kernels/attend/attend-listed.ts';
import { prepareAttendTail } from '../../src/kernels/attend/attend-tail.ts';
import { blockSumsReference } from '../../src/kernels/block-sums/block-sums.ref.ts';
import { attendedTokens, tokenRanges } from '../../src/kernels/hash-reference/token-set.ref.ts';
import { halfFromFloat } from '../../src/kernels/shared/half.ts';
import { blockTokens } from '../../src/kernels/shared/token-blocks.ts';
import { expectClose } from '../../src/kernels/testing/expect-close.ts';
import { runAttendListed } from '../../src/kernels/testing/run-attend-listed.ts';
import { withGpu } from '../../src/kernels/testing/with-gpu.ts';
import { Checkpoint } from '../support/checkpoint.ts';
import { readTestFile } from '../support/test-files.ts';

const file = 'golden/SmolLM2-135M-Instruct-4bit/hash_step.safetensors';
const [qHeads, kvHeads, headDim, length] = [9, 3, 64, 2000];
const heads = { qHeads, kvHeads, headDim, capacity: length };

describe.each([
  { mode: 'asymmetric', lists: 'kv-head' },
  { mode: 'hamming', lists: 'kv-head' },
  { mode: 'hamming_per_query_head', lists: 'query-head' },
] as const)('lists of $mode', ({ mode, lists }) => {
  const gpu = withGpu();

  test.each([5, 17])('outputs of layer %i', async (layer) => {
    const bytes = await readTestFile(file);
    if (!bytes) throw new Error(`${file} is missing`);
    const golden = new Checkpoint(new Map([[file, bytes]]));
    const values = (name: string): Float64Array => golden.values(`layers.${layer}.${name}`);
    const shape = { headDim, group: qHeads / kvHeads, lists };
    const [attend, tail, blocks] = await Promise.all([
      prepareAttendListed(gpu(), shape),
      prepareAttendTail(gpu(), shape),
      prepareAttendBlocks(gpu(), shape),
    ]);
    const cached = { keys: values('key'), values: values('value') };
    const packed = { keys: packHalves(cached.keys), values: packHalves(cached.values) };
    const query = Float32Array.from(values('query'));
    const { sums } = blockSumsReference({ ...heads, ...cached, length: length - 1, blockTokens });
    const [splits, slots] = [5, 2];

    /** `selected`: [lists, count]; `name`: of the golden output, and of that with the tail. */
    const compare = async (selected: readonly (readonly number[])[], name: string, nameWithTail: string) => {
      const count = selected[0]!.length;
      const budget = { sink: 128, window: 128, count, share: 0 };
      const ranges = tokenRanges(length, budget);
      const got = await runAttendListed(gpu(), {
        ...heads,
        attend,
        tail,
        blocks,
        position: length - 1,
        budget,
        lists: selected,
        listCapacity: count,
        query,
        ...packed,
        blockSums: Float32Array.from(sums),
        splits,
        slots,
      });
      const tokensOf = (head: number) =>
        attendedTokens(length, ranges, selected[Math.floor((head * selected.length) / qHeads)]!);
      for (const tail of ['none', 'mean'] as const) {
        const reference = { ...heads, ...cached, query, length, tokensOf, tail };
        const sizes = { headDim, attended: tokensOf(0).length, splits, runs: slots };
        // Golden outputs are doubles rounded to f32.
        const bound = listedBound(attendListedReference(reference), sizes);
        const what = tail === 'mean' ? nameWithTail : name;
        expectClose(tail === 'mean' ? got.outWithTail : got.out, values(what), (i) => bound(i) + 1e-9, what);
      }
    };

    for (const count of [64, 125]) {
      const all = values(`${mode}.selected_${count}`);
      const selected = Array.from({ length: all.length / count }, (_, list) => [
        ...all.slice(list * count, (list + 1) * count),
      ]);
      const name = `${mode}.output_${count}`;
      await compare(selected, name, `${name}_tail`);
    }
    const everything = Array.from({ length: length - 256 }, (_, i) => 128 + i);
    const listCount = lists === 'kv-head' ? kvHeads : qHeads;
    await compare(new Array(listCount).fill(everything), 'dense_output', 'dense_output');
    expect(values('dense_output')).not.toEqual(values(`${mode}.output_125`));
  });
});

function packHalves(values: Float64Array): Uint32Array<ArrayBuffer> {
  const half = (i: number) => halfFromFloat(Math.fround(values[i]!));
  return Uint32Array.from({ length: values.length / 2 }, (_, i) => half(2 * i) + half(2 * i + 1) * 65536);
}
