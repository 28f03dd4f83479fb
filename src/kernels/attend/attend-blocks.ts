/** attend-listed.ts with a tail of block means: what a list leaves out enters as one more token for each block of tokens.
 *  See block-means.wgsl. */
import type { Arena } from '../runtime/arena.ts';
import { prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import type { Gpu, KernelVariant } from '../runtime/gpu.ts';
import { type AttendListedArgs, checkLists } from './attend-listed.ts';
import { type AttendMerge, prepareMerge } from './attend-merge.ts';
import { listedBlocksKernels } from './sparse-kernels.ts';
import { type BlockArgs, planLists, type SparseShape } from './sparse-split.ts';
import { partialsShape, variantFor } from './split-plan.ts';

export interface SplitBlocksArgs extends AttendListedArgs, BlockArgs {}

/** Two dispatches, as without a tail. */
export interface AttendBlocks {
  readonly variant: KernelVariant;
  /** In place of `AttendListed.split`: besides, adds the current token to the sums of its block, and attends to the means
   *  of blocks. Once a step: run again at the same position, it adds the token again. */
  split(arena: Arena, args: SplitBlocksArgs): Dispatch;
  /** As `AttendListed.merge`. @param splits those of `split` and its slots together */
  readonly merge: AttendMerge;
  /** Shape of the f32 tensor between the two dispatches. */
  partialsShape(kvHeads: number, splits: number, slots: number): readonly number[];
  /** As `AttendListed.splitsFor`, beside so many slots. */
  splitsFor(tokens: number, kvHeads: number, slots: number): number;
  /** Runs of blocks that are taken side by side. */
  slotsFor(capacity: number): number;
}

export async function prepareAttendBlocks(gpu: Gpu, shape: SparseShape): Promise<AttendBlocks> {
  const { headDim, group } = shape;
  const variant = variantFor(gpu, headDim, shape.variant);
  const layout = planLists(gpu, variant, shape);
  const [splitter, merge] = await Promise.all([
    prepareKernel(gpu, listedBlocksKernels[variant], layout.plan.constants),
    prepareMerge(gpu, variant, shape),
  ]);
  return {
    variant,
    merge,
    partialsShape: (kvHeads, splits, slots) => partialsShape(kvHeads * group, splits + slots, headDim),
    splitsFor: layout.splitsFor,
    slotsFor: (capacity) => layout.slotsFor(capacity, 'blocks'),

    split(arena, args) {
      const { label, capacity, splits, slots, listCapacity, kvHeads } = args;
      const parts = splits + slots;
      layout.check(args, parts);
      checkLists(args, layout);
      const blocks = layout.checkBlocks(args);
      return splitter.dispatch(arena, {
        label,
        bindings: args,
        uniforms: { capacity, splits, parts, listCapacity, kvHeads, ...blocks },
        workgroups: [layout.workgroupsFor(splits) + layout.workgroupsFor(slots), layout.rowsFor(kvHeads)],
      });
    },
  };
}
