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
import type { TailKind } from '../shared/token-blocks.ts';
import { type CountedTokens, checkCounted, countsAt, fineBinsOf } from '../shared/token-chunks.ts';
import { prepareMerge } from './attend-merge.ts';
import { prepareMergeTail } from './merge-tail.ts';
import { selectedBlocksKernels, selectedKernels, selectedTailKernels } from './sparse-kernels.ts';
import { planLists, type SparseShape, type SparseSplitArgs } from './sparse-split.ts';
import { partialsShape, variantFor } from './split-plan.ts';

export interface AttendSelectedShape extends SparseShape {
  /** How what is not attended to enters the softmax: see merge-tail.wgsl and block-means.wgsl. */
  readonly tail: TailKind;
  /** Of the counted tokens. */
  readonly bins: number;
}

/** What the two dispatches share; layers may use the same one after another. */
export interface SelectedScratch {
  readonly splits: number;
  /** f32 of `partialsShape` */
  readonly partials: Tensor;
  readonly tail:
    | { readonly kind: 'none' }
    | { readonly kind: 'mean'; readonly slots: number; readonly tailSums: Tensor }
    | { readonly kind: 'blocks'; readonly slots: number };
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
  const kernels = await prepareKernels();

  return {
    variant,

    scratch(arena, { kvHeads, capacity, tokens, ...wanted }) {
      const { tail } = shape;
      const slots = tail === 'none' ? 0 : (wanted.slots ?? layout.slotsFor(capacity, tail));
      const splits = wanted.splits ?? layout.splitsFor(tokens, kvHeads, slots);
      const parts = tail === 'blocks' ? splits + slots : splits;
      const partials = arena.tensor(
        'selected.partials',
        'f32',
        partialsShape(kvHeads * group, parts, headDim),
      );
      switch (tail) {
        case 'none':
          return { splits, partials, tail: { kind: tail } };
        case 'blocks':
          return { splits, partials, tail: { kind: tail, slots } };
        case 'mean': {
          const shape = layout.tailSumsShape(kvHeads, slots, splits);
          const tailSums = arena.tensor('selected.tailSums', 'f32', shape);
          return { splits, partials, tail: { kind: tail, slots, tailSums } };
        }
        default:
          return tail satisfies never;
      }
    },

    attend(arena, { scratch, counted, out, blockSums, label, ...args }) {
      const { kvHeads, capacity } = args;
      const { splits, partials, tail } = scratch;
      const lists = kvHeads * layout.listsPerKvHead;
      const parts = tail.kind === 'blocks' ? splits + tail.slots : splits;
      const split = { ...args, label: `${label}.split`, splits, partials };
      layout.check(split, parts);
      checkCounted(label, counted, lists, capacity);
      const { chunks, bins } = counted;
      invariant(bins === shape.bins, `${label}: counted in ${bins} bins, prepared for ${shape.bins}`);
      const bindings = { ...split, counted: counted.buffer };
      const rows = layout.rowsFor(kvHeads);
      const workgroups = layout.workgroupsFor(splits);
      const uniforms = { capacity, splits, parts, kvHeads, countsAt: countsAt(lists, capacity), chunks };
      switch (kernels.kind) {
        case 'none':
          return [
            kernels.split.dispatch(arena, {
              label: split.label,
              bindings,
              uniforms: { ...uniforms, slots: 0, blocks: 0 },
              workgroups: [workgroups, rows],
            }),
            kernels.merge(arena, { label, partials, out, kvHeads, splits }),
          ];
        case 'blocks': {
          invariant(tail.kind === 'blocks' && blockSums, `${label}: ${missing}`);
          const { slots } = tail;
          return [
            kernels.split.dispatch(arena, {
              label: split.label,
              bindings: { ...bindings, blockSums },
              uniforms: { ...uniforms, ...layout.checkBlocks({ ...split, slots, blockSums }) },
              workgroups: [workgroups + layout.workgroupsFor(slots), rows],
            }),
            kernels.merge(arena, { label, partials, out, kvHeads, splits: parts }),
          ];
        }
        case 'mean': {
          invariant(tail.kind === 'mean' && blockSums, `${label}: ${missing}`);
          const { slots, tailSums } = tail;
          return [
            kernels.split.dispatch(arena, {
              label: split.label,
              bindings: { ...bindings, blockSums, tailSums },
              uniforms: { ...uniforms, ...layout.checkTail({ ...split, slots, tailSums, blockSums }) },
              workgroups: [workgroups + slots, rows],
            }),
            kernels.merge(arena, { ...args, label, slots, tailSums, partials, out, splits }),
          ];
        }
        default:
          return kernels satisfies never;
      }
    },
  };

  async function prepareKernels() {
    const kind = shape.tail;
    switch (kind) {
      case 'none': {
        const split = prepareKernel(gpu, selectedKernels[variant], constants);
        return { kind, ...(await both(split, prepareMerge(gpu, variant, shape))) };
      }
      case 'mean': {
        const split = prepareKernel(gpu, selectedTailKernels[variant], constants);
        return { kind, ...(await both(split, prepareMergeTail(gpu, variant, shape, layout))) };
      }
      case 'blocks': {
        const split = prepareKernel(gpu, selectedBlocksKernels[variant], constants);
        return { kind, ...(await both(split, prepareMerge(gpu, variant, shape))) };
      }
      default:
        return kind satisfies never;
    }
  }
}

const missing = 'a tail needs sums of blocks, and scratch made with it';

async function both<S, M>(split: Promise<S>, merge: Promise<M>): Promise<{ split: S; merge: M }> {
  const [first, second] = await Promise.all([split, merge]);
  return { split: first, merge: second };
}
