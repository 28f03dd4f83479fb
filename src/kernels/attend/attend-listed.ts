/** Decode attention of one token over the first tokens, a list, and the last: as attend.ts, over fewer rows.
 *  `merge` takes the splits' partial results as they are; attend-tail.ts adds what was left out as one more token,
 *  attend-blocks.ts as one for each block of tokens;
 *  attend-selected.ts finds the lists by itself. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu, KernelVariant } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import { type AttendMerge, prepareMerge } from './attend-merge.ts';
import { listedKernels } from './sparse-kernels.ts';
import { type ListsLayout, planLists, type SparseShape, type SparseSplitArgs } from './sparse-split.ts';
import { partialsShape, variantFor } from './split-plan.ts';

export interface AttendListedArgs extends SparseSplitArgs {
  /** u32 [lists, listCapacity]: tokens in ascending order, each a candidate of the budget. */
  readonly tokenLists: BufferSlice;
  readonly listCapacity: number;
}

export interface AttendListed {
  readonly variant: KernelVariant;
  split(arena: Arena, args: AttendListedArgs): Dispatch;
  readonly merge: AttendMerge;
  /** Shape of the f32 tensor between the two dispatches. */
  partialsShape(kvHeads: number, splits: number): readonly number[];
  /** A number of splits that fills the device without making the merge long.
   *  @param tokens the most that will be attended to */
  splitsFor(tokens: number, kvHeads: number): number;
}

export async function prepareAttendListed(gpu: Gpu, shape: SparseShape): Promise<AttendListed> {
  const { headDim, group } = shape;
  const variant = variantFor(gpu, headDim, shape.variant);
  const layout = planLists(gpu, variant, shape);
  const [splitter, merge] = await Promise.all([
    prepareKernel(gpu, listedKernels[variant], layout.plan.constants),
    prepareMerge(gpu, variant, { headDim, group }),
  ]);
  return {
    variant,
    merge,
    partialsShape: (kvHeads, splits) => partialsShape(kvHeads * group, splits, headDim),
    splitsFor: layout.splitsFor,

    split(arena, args) {
      const { label, capacity, splits, listCapacity, kvHeads } = args;
      layout.check(args);
      checkLists(args, layout);
      return splitter.dispatch(arena, {
        label,
        bindings: args,
        uniforms: { capacity, splits, parts: splits, listCapacity, kvHeads, slots: 0, blocks: 0 },
        workgroups: [layout.workgroupsFor(splits), layout.rowsFor(kvHeads)],
      });
    },
  };
}

/** Refuses lists that are too short. */
export function checkLists(
  { label, tokenLists, listCapacity, kvHeads }: AttendListedArgs,
  { listsPerKvHead }: ListsLayout,
): void {
  invariant(listCapacity >= 1, `${label}: lists of at least one token, got ${listCapacity}`);
  expectBytes(`${label}: tokenLists`, tokenLists, kvHeads * listsPerKvHead * listCapacity * 4);
}
