/** Sums over the middle axis: of split products, of a group's query heads, of rows' losses. See train-sum.wgsl. */
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import { type Dispatch, gridOf } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import source from './train-sum.wgsl?raw';

export interface TrainSumArgs {
  readonly label: string;
  /** f32 [outer, terms, inner] */
  readonly values: BufferSlice;
  /** f32 [outOffset + outer · inner or more]: [outer, inner] from `outOffset` on. */
  readonly out: BufferSlice;
  readonly outOffset?: number;
  readonly outer: number;
  readonly terms: number;
  readonly inner: number;
}

export type TrainSum = (arena: Arena, args: TrainSumArgs) => Dispatch;

export const definition = defineKernel({
  name: 'train-sum',
  sources: [source],
  bindings: { values: 'read', out: 'write' },
  uniforms: { sums: 'u32', terms: 'u32', inner: 'u32', outOffset: 'u32' },
});

export async function prepareTrainSum(gpu: Gpu): Promise<TrainSum> {
  const kernel = await prepareKernel(gpu, definition);
  return (arena, { label, values, out, outOffset = 0, outer, terms, inner }) => {
    const sums = outer * inner;
    expectBytes(`${label}: values`, values, 4 * sums * terms);
    expectBytes(`${label}: out`, out, 4 * (outOffset + sums));
    return kernel.dispatch(arena, {
      label,
      bindings: { values, out },
      uniforms: { sums, terms, inner, outOffset },
      workgroups: gridOf(Math.ceil(sums / 64)),
      bytes: 4 * sums * (terms + 1),
    });
  };
}
