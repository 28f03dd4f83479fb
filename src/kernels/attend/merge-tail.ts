/** The second half of sparse attention with a tail: the candidates left out enter the softmax as one more token, with
 *  their mean key, their mean value and weight log(count). Corrects the denominator. See merge-tail.wgsl. */
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu, KernelVariant } from '../runtime/gpu.ts';
import { type BufferSlice, byteLengthOf } from '../runtime/tensor.ts';
import budgetSource from '../shared/budget.wgsl?raw';
import type { Packable } from '../shared/packed-vector.ts';
import stepSource from '../shared/step.wgsl?raw';
import { checkMerged, mergePacks, packedSources } from './attend-merge.ts';
import mergeSource from './attend-merge.wgsl?raw';
import leavePlain from './leave-plain.wgsl?raw';
import mergeTail from './merge-tail.wgsl?raw';
import type { ListsLayout } from './sparse-split.ts';
import { partialBytes } from './split-plan.ts';

const packedOutSource = () => import('./merge-tail-packed.wgsl?raw');
const tailSerialSource = () => import('./merge-tail-serial.wgsl?raw');
const mergeSerialSource = () => import('./attend-merge-serial.wgsl?raw');

export interface MergeTailArgs {
  readonly label: string;
  readonly step: BufferSlice;
  readonly budget: BufferSlice;
  /** f32 [kvHeads · group, headDim] */
  readonly query: BufferSlice;
  /** f32 of `tailSumsShape` */
  readonly tailSums: BufferSlice;
  /** f32 of `partialsShape` */
  readonly partials: BufferSlice;
  /** f32 [kvHeads · group, headDim]; left packed, too, where it can be and `mergePacks`. */
  readonly out: Packable;
  readonly kvHeads: number;
  readonly splits: number;
  readonly slots: number;
}

export type MergeTail = (arena: Arena, args: MergeTailArgs) => Dispatch;

const bindings = {
  partials: 'read',
  out: 'write',
  step: 'uniform',
  budget: 'uniform',
  query: 'read',
  tailSums: 'read',
} as const;
const declared = {
  uniforms: { splits: 'u32', slots: 'u32', group: 'u32' },
  constants: ['headDim'],
} as const;
export const mergeTailKernel = defineKernel({
  name: 'attend-merge-tail',
  sources: [stepSource, budgetSource, mergeTail, leavePlain, mergeSource],
  bindings,
  ...declared,
});
export const mergeTailPackingKernel = defineKernel({
  name: 'attend-merge-tail-packing',
  sources: [packedOutSource, ...packedSources, stepSource, budgetSource, mergeTail, mergeSource],
  bindings: { ...bindings, packedOut: 'write' },
  ...declared,
});
export const mergeTailSerialKernel = defineKernel({
  name: 'attend-merge-tail-serial',
  sources: [stepSource, budgetSource, tailSerialSource, mergeSerialSource],
  bindings,
  ...declared,
});

export async function prepareMergeTail(
  gpu: Gpu,
  variant: KernelVariant,
  { headDim, group }: { readonly headDim: number; readonly group: number },
  layout: ListsLayout,
): Promise<MergeTail> {
  const [plain, packing] = await Promise.all([
    prepareKernel(gpu, variant === 'serial' ? mergeTailSerialKernel : mergeTailKernel, { headDim }),
    mergePacks(gpu, headDim, variant) ? prepareKernel(gpu, mergeTailPackingKernel, { headDim }) : null,
  ]);
  return (arena, args) => {
    const { label, kvHeads, splits, slots } = args;
    const qHeads = kvHeads * group;
    const headBytes = qHeads * headDim * 4;
    const bytes = partialBytes(qHeads, splits, headDim);
    const tailBytes = byteLengthOf('f32', layout.tailSumsShape(kvHeads, slots, splits));
    expectBytes(`${label}: query`, args.query, headBytes);
    expectBytes(`${label}: tailSums`, args.tailSums, tailBytes);
    expectBytes(`${label}: partials`, args.partials, bytes);
    const packedOut = checkMerged(label, args.out, qHeads * headDim, packing !== null);
    const shared = {
      label,
      uniforms: { splits, slots, group: group / layout.listsPerKvHead },
      workgroups: [qHeads],
      bytes: bytes + tailBytes + 2 * headBytes,
    } as const;
    return packing && packedOut
      ? packing.dispatch(arena, { ...shared, bindings: { ...args, packedOut } })
      : plain.dispatch(arena, { ...shared, bindings: args });
  };
}
