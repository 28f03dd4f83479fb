/** Decode attention of one token over the first tokens, those selected by distance, and the last, in two dispatches: the
 *  splits find their share of the selected tokens by themselves, so that no list need be written before. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import type { Gpu, KernelVariant } from '../runtime/gpu.ts';
import type { BufferSlice, Tensor } from '../runtime/tensor.ts';
import type { Packable } from '../shared/packed-vector.ts';
import { subgroupConstants } from '../shared/prefix-sum.ts';
import { type CountedTokens, checkCounted, countsAt, fineBinsOf } from '../shared/token-chunks.ts';
import { prepareMerge } from './attend-merge.ts';
import { prepareMergeTail } from './merge-tail.ts';
import {
  planLists,
  type SparseShape,
  type SparseSplitArgs,
  selectedKernels,
  selectedTailKernels,
} from './sparse-split.ts';
import { partialsShape, variantFor } from './split-plan.ts';

export interface AttendSelectedShape extends SparseShape {
  /** What is not attended to enters the softmax as one more token: see merge-tail.ts. */
  readonly tail: boolean;
  /** Of the counted tokens. */
  readonly bins: number;
}

/** What the two dispatches share; layers may use the same one after another. */
export interface SelectedScratch {
  readonly splits: number;
  /** f32 of `partialsShape` */
  readonly partials: Tensor;
  readonly tail: { readonly slots: number; readonly tailSums: Tensor } | null;
}

export interface AttendSelectedArgs extends Omit<SparseSplitArgs, 'partials' | 'splits'> {
  readonly counted: CountedTokens;
  /** f32 of `blockSumsShape`, where there is a tail: right for the tokens before the current one, which is added. */
  readonly blockSums?: BufferSlice;
  readonly scratch: SelectedScratch;
  /** f32 [kvHeads · group, headDim] */
  readonly out: Packable;
}

export interface AttendSelected {
  readonly variant: KernelVariant;
  scratch(arena: Arena, sizes: ScratchSizes): SelectedScratch;
  /** Once a step where there is a tail: run again at the same position, it adds the token to its block again. */
  attend(arena: Arena, args: AttendSelectedArgs): readonly Dispatch[];
}

export interface ScratchSizes {
  readonly kvHeads: number;
  readonly capacity: number;
  /** Most tokens that will be attended to. */
  readonly tokens: number;
  /** As many as fill the device without making the merge long, unless told. */
  readonly splits?: number;
  readonly slots?: number;
}

export async function prepareAttendSelected(gpu: Gpu, shape: AttendSelectedShape): Promise<AttendSelected> {
  const { headDim, group } = shape;
  const variant = variantFor(gpu, headDim, shape.variant);
  // Scores that meet in workgroup memory leave room for the selection only where few invocations have them.
  const layout = planLists(gpu, variant, shape, variant === 'workgroup' ? 32 : undefined);
  const constants = {
    ...layout.plan.constants,
    fineBins: fineBinsOf(shape.bins),
    ...subgroupConstants(gpu, variant, layout.plan.constants.threads ?? 0),
  };
  const kernels = shape.tail
    ? {
        kind: 'tail' as const,
        ...(await both(
          prepareKernel(gpu, selectedTailKernels[variant], constants),
          prepareMergeTail(gpu, variant, shape, layout),
        )),
      }
    : {
        kind: 'plain' as const,
        ...(await both(
          prepareKernel(gpu, selectedKernels[variant], constants),
          prepareMerge(gpu, variant, shape),
        )),
      };

  return {
    variant,

    scratch(arena, { kvHeads, capacity, tokens, ...wanted }) {
      const slots = wanted.slots ?? layout.slotsFor(capacity);
      const splits = wanted.splits ?? layout.splitsFor(tokens, kvHeads, shape.tail ? slots : 0);
      const partials = partialsShape(kvHeads * group, splits, headDim);
      const tailSums = layout.tailSumsShape(kvHeads, slots, splits);
      return {
        splits,
        partials: arena.tensor('selected.partials', 'f32', partials),
        tail: shape.tail ? { slots, tailSums: arena.tensor('selected.tailSums', 'f32', tailSums) } : null,
      };
    },

    attend(arena, { scratch, counted, out, blockSums, label, ...args }) {
      const { kvHeads, capacity } = args;
      const { splits, partials } = scratch;
      const lists = kvHeads * layout.listsPerKvHead;
      const split = { ...args, label: `${label}.split`, splits, partials };
      layout.check(split);
      checkCounted(label, counted, lists, capacity);
      const { chunks, bins } = counted;
      invariant(bins === shape.bins, `${label}: counted in ${bins} bins, prepared for ${shape.bins}`);
      const selection = { countsAt: countsAt(lists, capacity), chunks };
      const bindings = { ...split, counted: counted.buffer };
      const rows = layout.rowsFor(kvHeads);
      const workgroups = layout.workgroupsFor(splits);
      const uniforms = { capacity, splits, kvHeads, ...selection };
      if (kernels.kind === 'plain') {
        return [
          kernels.split.dispatch(arena, {
            label: split.label,
            bindings,
            uniforms: { ...uniforms, slots: 0, blocks: 0 },
            workgroups: [workgroups, rows],
          }),
          kernels.merge(arena, { label, partials, out, kvHeads, splits }),
        ];
      }
      const tail = tailOf(label, scratch, blockSums);
      return [
        kernels.split.dispatch(arena, {
          label: split.label,
          bindings: { ...bindings, blockSums: tail.blockSums, tailSums: tail.tailSums },
          uniforms: { ...uniforms, ...layout.checkTail({ ...split, ...tail }) },
          workgroups: [workgroups + tail.slots, rows],
        }),
        kernels.merge(arena, { ...args, ...tail, label, partials, out, splits }),
      ];
    },
  };
}

function tailOf(label: string, { tail }: SelectedScratch, blockSums: BufferSlice | undefined) {
  invariant(tail && blockSums, `${label}: a tail needs sums of blocks, and scratch made with it`);
  return { ...tail, blockSums };
}

async function both<S, M>(split: Promise<S>, merge: Promise<M>): Promise<{ split: S; merge: M }> {
  const [first, second] = await Promise.all([split, merge]);
  return { split: first, merge: second };
}
