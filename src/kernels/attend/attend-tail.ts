/** The tail of sparse attention: the candidates that a list leaves out enter the softmax as one more token, with their
 *  mean key, their mean value and weight log(count). Corrects the denominator. See tail-sums.wgsl, merge-tail.wgsl. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu } from '../runtime/gpu.ts';
import { type BufferSlice, byteLengthOf } from '../runtime/tensor.ts';
import budgetSource from '../shared/budget.wgsl?raw';
import stepSource from '../shared/step.wgsl?raw';
import { blockSumsShape } from '../shared/token-blocks.ts';
import blocksSource from '../shared/token-blocks.wgsl?raw';
import type { AttendListedShape } from './attend-listed.ts';
import mergeSource from './attend-merge.wgsl?raw';
import mergeSerialSource from './attend-merge-serial.wgsl?raw';
import mergeTail from './merge-tail.wgsl?raw';
import mergeTailSerial from './merge-tail-serial.wgsl?raw';
import { partialBytes, variantFor } from './split-plan.ts';
import sumsSource from './tail-sums.wgsl?raw';

export interface TailSumsArgs {
  readonly label: string;
  /** Uniform `Step`: the current token stands at step.position. */
  readonly step: BufferSlice;
  /** Uniform `Budget`. */
  readonly budget: BufferSlice;
  /** Packed f16 [kvHeads, capacity, headDim]. */
  readonly keyCache: BufferSlice;
  readonly valueCache: BufferSlice;
  /** u32 [lists, listCapacity] */
  readonly tokenLists: BufferSlice;
  /** f32 of `blockSumsShape`: right for the tokens before the current one, which is added. */
  readonly blockSums: BufferSlice;
  /** f32 [lists, slots, 2, headDim], written. */
  readonly tailSums: BufferSlice;
  readonly kvHeads: number;
  readonly capacity: number;
  readonly listCapacity: number;
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

export interface AttendTail {
  /** Adds the current token to the sums of its block, and sums what every list leaves out. Once a step: run again at
   *  the same position, it adds the token again. */
  sums(arena: Arena, args: TailSumsArgs): Dispatch;
  /** In place of `AttendListed.merge`. */
  merge(arena: Arena, args: MergeTailArgs): Dispatch;
  /** Shape of the f32 tensor between the two dispatches. */
  tailSumsShape(kvHeads: number, slots: number): readonly number[];
  /** Runs of blocks that are summed side by side. */
  slotsFor(capacity: number): number;
}

export const tailSumsKernel = defineKernel({
  name: 'attend-tail-sums',
  sources: [stepSource, budgetSource, blocksSource, sumsSource],
  bindings: {
    step: 'uniform',
    budget: 'uniform',
    keyCache: 'read',
    valueCache: 'read',
    tokenLists: 'read',
    blockSums: 'write',
    tailSums: 'write',
  },
  uniforms: {
    capacity: 'u32',
    listCapacity: 'u32',
    blocks: 'u32',
    slots: 'u32',
    headDim: 'u32',
    listsPerKvHead: 'u32',
  },
});

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
  const isSerial = variantFor(gpu, headDim, shape.variant) === 'serial';
  invariant(isSerial || headDim % 8 === 0, `attend tail: headDim must be a multiple of 8, got ${headDim}`);
  const listsPerKvHead = shape.lists === 'kv-head' ? 1 : group;
  const [summer, merger] = await Promise.all([
    prepareKernel(gpu, tailSumsKernel),
    prepareKernel(gpu, isSerial ? mergeTailSerialKernel : mergeTailKernel, { headDim }),
  ]);
  const tailBytes = (kvHeads: number, slots: number): number =>
    kvHeads * listsPerKvHead * slots * 2 * headDim * 4;

  return {
    tailSumsShape: (kvHeads, slots) => [kvHeads * listsPerKvHead, slots, 2, headDim],
    slotsFor: (capacity) => Math.min(blockSumsShape(1, capacity, headDim)[1]!, isSerial ? 8 : 64),

    sums(arena, args) {
      const { label, kvHeads, capacity, listCapacity, slots } = args;
      const sumsShape = blockSumsShape(kvHeads, capacity, headDim);
      const cacheBytes = kvHeads * capacity * headDim * 2;
      expectBytes(`${label}: keyCache`, args.keyCache, cacheBytes);
      expectBytes(`${label}: valueCache`, args.valueCache, cacheBytes);
      expectBytes(`${label}: tokenLists`, args.tokenLists, kvHeads * listsPerKvHead * listCapacity * 4);
      expectBytes(`${label}: blockSums`, args.blockSums, byteLengthOf('f32', sumsShape));
      expectBytes(`${label}: tailSums`, args.tailSums, tailBytes(kvHeads, slots));
      return summer.dispatch(arena, {
        label,
        bindings: args,
        uniforms: { capacity, listCapacity, blocks: sumsShape[1]!, slots, headDim, listsPerKvHead },
        workgroups: [slots, kvHeads, Math.ceil(headDim / 64)],
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
