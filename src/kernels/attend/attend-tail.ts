/** The tail of sparse attention: the candidates that a list leaves out enter the softmax as one more token, with their
 *  mean key, their mean value and weight log(count). Corrects the denominator. See tail-sums.wgsl, merge-tail.wgsl. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu, KernelVariant } from '../runtime/gpu.ts';
import { type BufferSlice, byteLengthOf } from '../runtime/tensor.ts';
import budgetSource from '../shared/budget.wgsl?raw';
import stepSource from '../shared/step.wgsl?raw';
import { blockSumsShape } from '../shared/token-blocks.ts';
import blocksSource from '../shared/token-blocks.wgsl?raw';
import {
  type AttendListedArgs,
  type AttendListedShape,
  listedBindings,
  listedUniforms,
  planLists,
} from './attend-listed.ts';
import mergeSource from './attend-merge.wgsl?raw';
import mergeSerialSource from './attend-merge-serial.wgsl?raw';
import splitSource from './attend-split.wgsl?raw';
import serialSource from './attend-split-serial.wgsl?raw';
import mergeTail from './merge-tail.wgsl?raw';
import mergeTailSerial from './merge-tail-serial.wgsl?raw';
import { partialBytes, partialsShape, serialConstants, teamConstants, variantFor } from './split-plan.ts';
import splitTailMain from './split-tail-main.wgsl?raw';
import splitTailMainSerial from './split-tail-main-serial.wgsl?raw';
import sumsSource from './tail-sums.wgsl?raw';
import tokenList from './token-list.wgsl?raw';
import weighSubgroup from './weigh-subgroup.wgsl?raw';
import weighWorkgroup from './weigh-workgroup.wgsl?raw';

export interface SplitTailArgs extends AttendListedArgs {
  /** f32 of `blockSumsShape`: right for the tokens before the current one, which is added. */
  readonly blockSums: BufferSlice;
  /** f32 of `tailSumsShape`, written. */
  readonly tailSums: BufferSlice;
  readonly slots: number;
}

export interface MergeTailArgs {
  readonly label: string;
  readonly step: BufferSlice;
  readonly budget: BufferSlice;
  /** f32 [kvHeads · group, headDim] */
  readonly query: BufferSlice;
  readonly tailSums: BufferSlice;
  /** f32 of `AttendListed.partialsShape` */
  readonly partials: BufferSlice;
  /** f32 [kvHeads · group, headDim] */
  readonly out: BufferSlice;
  readonly kvHeads: number;
  readonly splits: number;
  readonly slots: number;
}

/** Two dispatches, as without a tail. */
export interface AttendTail {
  readonly variant: KernelVariant;
  /** In place of `AttendListed.split`: besides, adds the current token to the sums of its block and sums what every
   *  list leaves out. Once a step: run again at the same position, it adds the token again. */
  split(arena: Arena, args: SplitTailArgs): Dispatch;
  /** In place of `AttendListed.merge`. */
  merge(arena: Arena, args: MergeTailArgs): Dispatch;
  /** Shapes of the f32 tensors between the two dispatches. */
  partialsShape(kvHeads: number, splits: number): readonly number[];
  tailSumsShape(kvHeads: number, slots: number): readonly number[];
  /** As `AttendListed.splitsFor`. */
  splitsFor(tokens: number, kvHeads: number): number;
  /** Runs of blocks that are summed side by side. */
  slotsFor(capacity: number): number;
}

const split = {
  bindings: { ...listedBindings, blockSums: 'write', tailSums: 'write' },
  uniforms: listedUniforms,
} as const;
const setSources = [stepSource, budgetSource, tokenList, blocksSource, sumsSource];
export const splitTailKernels = {
  workgroup: defineKernel({
    name: 'attend-tail-workgroup',
    sources: [...setSources, weighWorkgroup, splitSource, splitTailMain],
    ...split,
    constants: teamConstants,
  }),
  subgroup: defineKernel({
    name: 'attend-tail-subgroup',
    sources: ['enable subgroups;', ...setSources, weighSubgroup, splitSource, splitTailMain],
    ...split,
    constants: teamConstants,
    features: ['subgroups'],
  }),
  serial: defineKernel({
    name: 'attend-tail-serial',
    sources: [...setSources, serialSource, splitTailMainSerial],
    ...split,
    constants: serialConstants,
  }),
};

const merge = {
  bindings: {
    partials: 'read',
    out: 'write',
    step: 'uniform',
    budget: 'uniform',
    query: 'read',
    tailSums: 'read',
  },
  uniforms: { splits: 'u32', slots: 'u32', group: 'u32' },
  constants: ['headDim'],
} as const;
export const mergeTailKernel = defineKernel({
  name: 'attend-merge-tail',
  sources: [stepSource, budgetSource, mergeTail, mergeSource],
  ...merge,
});
export const mergeTailSerialKernel = defineKernel({
  name: 'attend-merge-tail-serial',
  sources: [stepSource, budgetSource, mergeTailSerial, mergeSerialSource],
  ...merge,
});

export async function prepareAttendTail(gpu: Gpu, shape: AttendListedShape): Promise<AttendTail> {
  const { headDim, group } = shape;
  const variant = variantFor(gpu, headDim, shape.variant);
  const isSerial = variant === 'serial';
  const layout = planLists(gpu, variant, shape);
  const { listsPerKvHead } = layout;
  const [splitter, merger] = await Promise.all([
    prepareKernel(gpu, splitTailKernels[variant], layout.plan.constants),
    prepareKernel(gpu, isSerial ? mergeTailSerialKernel : mergeTailKernel, { headDim }),
  ]);
  const tailBytes = (kvHeads: number, slots: number): number =>
    kvHeads * listsPerKvHead * slots * 2 * headDim * 4;

  return {
    variant,
    partialsShape: (kvHeads, splits) => partialsShape(kvHeads * group, splits, headDim),
    tailSumsShape: (kvHeads, slots) => [kvHeads * listsPerKvHead, slots, 2, headDim],
    splitsFor: layout.splitsFor,
    slotsFor: (capacity) => Math.min(blockSumsShape(1, capacity, headDim)[1]!, isSerial ? 8 : 64),

    split(arena, args) {
      const { label, capacity, splits, listCapacity, kvHeads, slots } = args;
      const sumsShape = blockSumsShape(kvHeads, capacity, headDim);
      layout.check(args);
      invariant(slots >= 1, `${label}: at least one slot, got ${slots}`);
      expectBytes(`${label}: blockSums`, args.blockSums, byteLengthOf('f32', sumsShape));
      expectBytes(`${label}: tailSums`, args.tailSums, tailBytes(kvHeads, slots));
      return splitter.dispatch(arena, {
        label,
        bindings: args,
        uniforms: { capacity, splits, listCapacity, kvHeads, slots, blocks: sumsShape[1]! },
        workgroups: [layout.workgroupsFor(splits) + slots, layout.rowsFor(kvHeads)],
      });
    },

    merge(arena, args) {
      const { label, kvHeads, splits, slots } = args;
      const qHeads = kvHeads * group;
      const headBytes = qHeads * headDim * 4;
      const bytes = partialBytes(qHeads, splits, headDim);
      expectBytes(`${label}: query`, args.query, headBytes);
      expectBytes(`${label}: tailSums`, args.tailSums, tailBytes(kvHeads, slots));
      expectBytes(`${label}: partials`, args.partials, bytes);
      expectBytes(`${label}: out`, args.out, headBytes);
      return merger.dispatch(arena, {
        label,
        bindings: args,
        uniforms: { splits, slots, group: group / listsPerKvHead },
        workgroups: [qHeads],
        bytes: bytes + tailBytes(kvHeads, slots) + 2 * headBytes,
      });
    },
  };
}
