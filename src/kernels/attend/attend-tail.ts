/** attend-listed.ts with the tail of sparse attention: what a list leaves out enters as one more token. */
import type { Arena } from '../runtime/arena.ts';
import { prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import type { Gpu, KernelVariant } from '../runtime/gpu.ts';
import { type AttendListedArgs, checkLists } from './attend-listed.ts';
import { type MergeTail, prepareMergeTail } from './merge-tail.ts';
import { listedTailKernels } from './sparse-kernels.ts';
import { planLists, type SparseShape, type TailArgs } from './sparse-split.ts';
import { partialsShape, variantFor } from './split-plan.ts';

export interface SplitTailArgs extends AttendListedArgs, TailArgs {}

/** Two dispatches, as without a tail. */
export interface AttendTail {
  readonly variant: KernelVariant;
  /** In place of `AttendListed.split`: besides, adds the current token to the sums of its block and sums blocks and
   *  attended rows. Once a step: run again at the same position, it adds the token again. */
  split(arena: Arena, args: SplitTailArgs): Dispatch;
  /** In place of `AttendListed.merge`. */
  readonly merge: MergeTail;
  /** Shapes of the f32 tensors between the two dispatches. */
  partialsShape(kvHeads: number, splits: number): readonly number[];
  tailSumsShape(kvHeads: number, slots: number, splits: number): readonly number[];
  /** As `AttendListed.splitsFor`, beside so many slots. */
  splitsFor(tokens: number, kvHeads: number, slots: number): number;
  /** Runs of blocks that are summed side by side. */
  slotsFor(capacity: number): number;
}

export async function prepareAttendTail(gpu: Gpu, shape: SparseShape): Promise<AttendTail> {
  const { headDim, group } = shape;
  const variant = variantFor(gpu, headDim, shape.variant);
  const layout = planLists(gpu, variant, shape);
  const [splitter, merge] = await Promise.all([
    prepareKernel(gpu, listedTailKernels[variant], layout.plan.constants),
    prepareMergeTail(gpu, variant, shape, layout),
  ]);
  return {
    variant,
    merge,
    partialsShape: (kvHeads, splits) => partialsShape(kvHeads * group, splits, headDim),
    tailSumsShape: layout.tailSumsShape,
    splitsFor: layout.splitsFor,
    slotsFor: (capacity) => layout.slotsFor(capacity, 'mean'),

    split(arena, args) {
      const { label, capacity, splits, listCapacity, kvHeads } = args;
      layout.check(args);
      checkLists(args, layout);
      const tail = layout.checkTail(args);
      return splitter.dispatch(arena, {
        label,
        bindings: args,
        uniforms: { capacity, splits, parts: splits, listCapacity, kvHeads, ...tail },
        workgroups: [layout.workgroupsFor(splits) + tail.slots, layout.rowsFor(kvHeads)],
      });
    },
  };
}
