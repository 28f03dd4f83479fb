/** What the first halves of sparse attention take, for lists that are given and for those found on the way, with each kind of
 *  tail; and how lists are laid out over workgroups. */
import { invariant } from '../../errors.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu, KernelVariant } from '../runtime/gpu.ts';
import { type BufferSlice, byteLengthOf } from '../runtime/tensor.ts';
import { blockSumsShape } from '../shared/token-blocks.ts';
import { headBlocks, partialBytes, planSplit, type SplitPlan, splitsFor } from './split-plan.ts';

export interface SparseShape {
  /** Even, at most 256; variants other than `serial` need a multiple of 8, `subgroup` also at most 16 · the smallest
   *  subgroup. */
  readonly headDim: number;
  /** Query heads per KV head. */
  readonly group: number;
  /** One list of tokens per KV head, whose rows are read once for the whole group, or one per query head. */
  readonly lists: 'kv-head' | 'query-head';
  /** The fastest this device runs, unless told. */
  readonly variant?: KernelVariant;
}

export interface SparseSplitArgs {
  readonly label: string;
  /** Uniform `Step`: the current token stands at step.position, and n = step.position + 1. */
  readonly step: BufferSlice;
  /** Uniform `Budget`, from which the kernel works out the ranges and the length of every list. */
  readonly budget: BufferSlice;
  /** f32 [kvHeads · group, headDim] */
  readonly query: BufferSlice;
  /** Packed f16 [kvHeads, capacity, headDim]. */
  readonly keyCache: BufferSlice;
  readonly valueCache: BufferSlice;
  /** f32 of `partialsShape` */
  readonly partials: BufferSlice;
  readonly kvHeads: number;
  readonly capacity: number;
  readonly splits: number;
}

/** What a tail needs besides. */
export interface BlockArgs {
  /** f32 of `blockSumsShape`: right for the tokens before the current one, which is added. */
  readonly blockSums: BufferSlice;
  /** Runs of blocks that are taken side by side. */
  readonly slots: number;
}

/** What the tail of one mean needs besides. */
export interface TailArgs extends BlockArgs {
  /** f32 of `tailSumsShape`, written. */
  readonly tailSums: BufferSlice;
}

/** Workgroups of all lists together that run at the same time on a large device: one more waits for all others. */
const residentWorkgroups = 384;

/** How lists are laid out over query heads and workgroups. */
export interface ListsLayout {
  readonly plan: SplitPlan;
  readonly listsPerKvHead: number;
  /** @param slots of a tail, which run beside the splits */
  splitsFor(tokens: number, kvHeads: number, slots?: number): number;
  /** Workgroups along x for so many splits, or so many runs of block means. */
  workgroupsFor(splits: number): number;
  /** Workgroups along y: up to `plan.headsPerWorkgroup` query heads of a list each. */
  rowsFor(kvHeads: number): number;
  /** Runs of blocks of a tail that are taken side by side. */
  slotsFor(capacity: number, tail: 'mean' | 'blocks'): number;
  tailSumsShape(kvHeads: number, slots: number, splits: number): readonly number[];
  /** Refuses buffers that are too small.
   *  @param parts of a head's partial results; the splits, unless told */
  check(args: SparseSplitArgs, parts?: number): void;
  /** The same of a tail's; returns its uniforms. */
  checkTail(args: SparseSplitArgs & TailArgs): BlockUniforms;
  checkBlocks(args: SparseSplitArgs & BlockArgs): BlockUniforms;
}

interface BlockUniforms {
  readonly slots: number;
  readonly blocks: number;
}

/** @param threads of a workgroup of the team variants, where something else needs its memory */
export function planLists(
  gpu: Gpu,
  variant: KernelVariant,
  shape: SparseShape,
  threads?: number,
): ListsLayout {
  const { headDim, group } = shape;
  const listsPerKvHead = shape.lists === 'kv-head' ? 1 : group;
  const listGroup = group / listsPerKvHead;
  const plan = planSplit(gpu, variant, {
    ...{ headDim, group: listGroup, listsPerKvHead },
    ...(threads ? { threads } : {}),
  });
  const rowsFor = (kvHeads: number): number => headBlocks(plan, kvHeads * group, listGroup);
  const residentSplits = variant === 'serial' ? plan.targetSplits : residentWorkgroups;
  const tailSumsShape = (kvHeads: number, slots: number, splits: number): readonly number[] => [
    kvHeads * listsPerKvHead,
    slots + splits,
    2,
    headDim,
  ];
  const blocksOf = (capacity: number): number => blockSumsShape(1, capacity, headDim)[1]!;
  // Short runs, but few: each takes a workgroup from the splits.
  const runsFor = (blocks: number): number =>
    Math.max(Math.min(8, Math.max(4, Math.ceil(blocks / 8))), Math.ceil(blocks / plan.runBlocks));
  return {
    plan,
    listsPerKvHead,
    rowsFor,
    tailSumsShape,
    splitsFor: (tokens, kvHeads, slots = 0) =>
      splitsFor(
        { ...plan, targetSplits: Math.max(1, residentSplits - slots * rowsFor(kvHeads)) },
        tokens,
        rowsFor(kvHeads),
      ),
    workgroupsFor: (splits) => Math.ceil(splits / plan.splitsPerWorkgroup),
    slotsFor: (capacity, tail) => {
      const blocks = blocksOf(capacity);
      return Math.min(blocks, variant === 'serial' ? 8 : tail === 'blocks' ? runsFor(blocks) : 4);
    },
    check({ label, kvHeads, capacity, splits, ...args }, parts = splits) {
      const qHeads = kvHeads * group;
      const cacheBytes = kvHeads * capacity * headDim * 2;
      invariant(splits >= 1, `${label}: at least one split, got ${splits}`);
      expectBytes(`${label}: query`, args.query, qHeads * headDim * 4);
      expectBytes(`${label}: keyCache`, args.keyCache, cacheBytes);
      expectBytes(`${label}: valueCache`, args.valueCache, cacheBytes);
      expectBytes(`${label}: partials`, args.partials, partialBytes(qHeads, parts, headDim));
    },
    checkTail({ label, kvHeads, capacity, splits, slots, blockSums, tailSums }) {
      invariant(slots >= 1, `${label}: at least one slot, got ${slots}`);
      const sumsShape = blockSumsShape(kvHeads, capacity, headDim);
      expectBytes(`${label}: blockSums`, blockSums, byteLengthOf('f32', sumsShape));
      expectBytes(`${label}: tailSums`, tailSums, byteLengthOf('f32', tailSumsShape(kvHeads, slots, splits)));
      return { slots, blocks: blocksOf(capacity) };
    },
    checkBlocks({ label, kvHeads, capacity, slots, blockSums }) {
      const blocks = blocksOf(capacity);
      const least = Math.max(1, Math.ceil(blocks / plan.runBlocks));
      invariant(slots >= least, `${label}: at least ${least} slots for ${blocks} blocks, got ${slots}`);
      const sumsShape = blockSumsShape(kvHeads, capacity, headDim);
      expectBytes(`${label}: blockSums`, blockSums, byteLengthOf('f32', sumsShape));
      return { slots, blocks };
    },
  };
}
