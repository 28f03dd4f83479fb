/** The second half of decode attention, the same for every set of tokens. See attend-merge.wgsl. */
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu, KernelVariant } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import mergeSource from './attend-merge.wgsl?raw';
import mergeStart from './merge-start.wgsl?raw';
import { partialBytes } from './split-plan.ts';

const mergeSerialSource = () => import('./attend-merge-serial.wgsl?raw');

export interface AttendMergeArgs {
  readonly label: string;
  /** f32 of `partialsShape` */
  readonly partials: BufferSlice;
  /** f32 [kvHeads · group, headDim] */
  readonly out: BufferSlice;
  readonly kvHeads: number;
  readonly splits: number;
}

export type AttendMerge = (arena: Arena, args: AttendMergeArgs) => Dispatch;

const declared = {
  bindings: { partials: 'read', out: 'write' },
  uniforms: { splits: 'u32' },
  constants: ['headDim'],
} as const;
export const mergeKernel = defineKernel({
  name: 'attend-merge',
  sources: [mergeStart, mergeSource],
  ...declared,
});
export const mergeSerialKernel = defineKernel({
  name: 'attend-merge-serial',
  sources: [mergeStart, mergeSerialSource],
  ...declared,
});

/** @param group query heads per KV head */
export async function prepareMerge(
  gpu: Gpu,
  variant: KernelVariant,
  { headDim, group }: { readonly headDim: number; readonly group: number },
): Promise<AttendMerge> {
  const merger = await prepareKernel(gpu, variant === 'serial' ? mergeSerialKernel : mergeKernel, {
    headDim,
  });
  return (arena, { label, partials, out, kvHeads, splits }) => {
    const qHeads = kvHeads * group;
    const bytes = partialBytes(qHeads, splits, headDim);
    expectBytes(`${label}: partials`, partials, bytes);
    expectBytes(`${label}: out`, out, qHeads * headDim * 4);
    return merger.dispatch(arena, {
      label,
      bindings: { partials, out },
      uniforms: { splits },
      workgroups: [qHeads],
      bytes: bytes + qHeads * headDim * 4,
    });
  };
}
