/** What the first halves of sparse attention share: their declarations, for lists that are given and for those found on
 *  the way, with and without sums of rows for the tail; and how they are laid out over workgroups. */
import { invariant } from '../../errors.ts';
import { type BindingKind, defineKernel, type UniformType } from '../runtime/define-kernel.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu, KernelVariant } from '../runtime/gpu.ts';
import { type BufferSlice, byteLengthOf } from '../runtime/tensor.ts';
import budgetSource from '../shared/budget.wgsl?raw';
import dotsSource from '../shared/dots-four.wgsl?raw';
import findSelection from '../shared/find-selection.wgsl?raw';
import findSelectionSubgroup from '../shared/find-selection-subgroup.wgsl?raw';
import prefixSum from '../shared/prefix-sum.wgsl?raw';
import prefixSumSubgroup from '../shared/prefix-sum-subgroup.wgsl?raw';
import selectionSource from '../shared/selection.wgsl?raw';
import stepSource from '../shared/step.wgsl?raw';
import { blockSumsShape } from '../shared/token-blocks.ts';
import blocksSource from '../shared/token-blocks.wgsl?raw';
import chunksSource from '../shared/token-chunks.wgsl?raw';
import splitSource from './attend-split.wgsl?raw';
import blockRuns from './block-runs.wgsl?raw';
import laneOctets from './lane-octets.wgsl?raw';
import rowsSummed from './rows-summed.wgsl?raw';
import rowsSummedSerial from './rows-summed-serial.wgsl?raw';
import rowsUnsummed from './rows-unsummed.wgsl?raw';
import splitMain from './split-main.wgsl?raw';
import splitMainSerial from './split-main-serial.wgsl?raw';
import {
  headBlocks,
  partialBytes,
  planSplit,
  type SplitPlan,
  serialConstants,
  splitsFor,
  teamConstants,
} from './split-plan.ts';
import splitTailMain from './split-tail-main.wgsl?raw';
import splitTailMainSerial from './split-tail-main-serial.wgsl?raw';
import teamSums from './team-sums.wgsl?raw';
import tilesTogether from './tiles-together.wgsl?raw';
import tokenList from './token-list.wgsl?raw';
import tokenSelection from './token-selection.wgsl?raw';
import tokenSelectionSerial from './token-selection-serial.wgsl?raw';
import weighSubgroup from './weigh-subgroup.wgsl?raw';
import weighWorkgroup from './weigh-workgroup.wgsl?raw';

const serialSource = () => import('./attend-split-serial.wgsl?raw');

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

/** What the tail needs besides. */
export interface TailArgs {
  /** f32 of `blockSumsShape`: right for the tokens before the current one, which is added. */
  readonly blockSums: BufferSlice;
  /** f32 of `tailSumsShape`, written. */
  readonly tailSums: BufferSlice;
  /** Runs of blocks that are summed side by side. */
  readonly slots: number;
}

const common = {
  step: 'uniform',
  query: 'read',
  keyCache: 'read',
  valueCache: 'read',
  partials: 'write',
  budget: 'uniform',
} as const;
const tailBindings = { blockSums: 'write', tailSums: 'write' } as const;

const listUniforms = {
  capacity: 'u32',
  splits: 'u32',
  listCapacity: 'u32',
  kvHeads: 'u32',
  slots: 'u32',
  blocks: 'u32',
} as const;
const selectionUniforms = {
  capacity: 'u32',
  splits: 'u32',
  kvHeads: 'u32',
  countsAt: 'u32',
  chunks: 'u32',
  slots: 'u32',
  blocks: 'u32',
} as const;
const teamSources = [tilesTogether, laneOctets, teamSums, splitSource];
const fromList = {
  workgroup: [tokenList],
  subgroup: [tokenList],
  serial: [tokenList],
  constants: [],
  subgroupConstants: [],
};
const fromSelection = {
  workgroup: [chunksSource, prefixSum, selectionSource, findSelection, tokenSelection],
  subgroup: [chunksSource, prefixSumSubgroup, selectionSource, findSelectionSubgroup, tokenSelection],
  serial: [chunksSource, tokenSelectionSerial],
  constants: ['fineBins'],
  subgroupConstants: ['subgroups'],
};
const withoutTail = {
  team: [rowsUnsummed],
  serial: [],
  main: splitMain,
  mainSerial: splitMainSerial,
};
const withTail = {
  team: [blocksSource, blockRuns, rowsSummed],
  serial: [blocksSource, blockRuns, rowsSummedSerial],
  main: splitTailMain,
  mainSerial: splitTailMainSerial,
};

export const listedKernels = splitKernels('listed', fromList, withoutTail, {
  bindings: { ...common, tokenLists: 'read' },
  uniforms: listUniforms,
});
export const listedTailKernels = splitKernels('listed-tail', fromList, withTail, {
  bindings: { ...common, tokenLists: 'read', ...tailBindings },
  uniforms: listUniforms,
});
export const selectedKernels = splitKernels('selected', fromSelection, withoutTail, {
  bindings: { ...common, counted: 'read' },
  uniforms: selectionUniforms,
});
export const selectedTailKernels = splitKernels('selected-tail', fromSelection, withTail, {
  bindings: { ...common, counted: 'read', ...tailBindings },
  uniforms: selectionUniforms,
});

function splitKernels<
  const B extends Record<string, BindingKind>,
  const U extends Record<string, UniformType>,
>(
  name: string,
  tokens: Readonly<Record<KernelVariant | 'constants' | 'subgroupConstants', readonly string[]>>,
  rows: typeof withTail,
  declared: { readonly bindings: B; readonly uniforms: U },
) {
  const first = [stepSource, budgetSource];
  return {
    workgroup: defineKernel({
      name: `attend-${name}-workgroup`,
      sources: [...first, ...tokens.workgroup, ...rows.team, weighWorkgroup, ...teamSources, rows.main],
      ...declared,
      constants: [...teamConstants, ...tokens.constants],
    }),
    subgroup: defineKernel({
      name: `attend-${name}-subgroup`,
      sources: [
        ...['enable subgroups;', ...first, ...tokens.subgroup, ...rows.team],
        ...[weighSubgroup, ...teamSources, rows.main],
      ],
      ...declared,
      constants: [...teamConstants, ...tokens.constants, ...tokens.subgroupConstants],
      features: ['subgroups'],
    }),
    serial: defineKernel({
      name: `attend-${name}-serial`,
      sources: [...first, ...tokens.serial, ...rows.serial, dotsSource, serialSource, rows.mainSerial],
      ...declared,
      constants: [...serialConstants, ...tokens.constants],
    }),
  };
}

/** Workgroups of all lists together that run at the same time on a large device: one more waits for all others. */
const residentWorkgroups = 384;

/** How lists are laid out over query heads and workgroups. */
export interface ListsLayout {
  readonly plan: SplitPlan;
  readonly listsPerKvHead: number;
  /** @param slots of a tail, which run beside the splits */
  splitsFor(tokens: number, kvHeads: number, slots?: number): number;
  /** Workgroups along x for the splits. */
  workgroupsFor(splits: number): number;
  /** Workgroups along y: up to `plan.headsPerWorkgroup` query heads of a list each. */
  rowsFor(kvHeads: number): number;
  /** Runs of blocks of a tail that are summed side by side. */
  slotsFor(capacity: number): number;
  tailSumsShape(kvHeads: number, slots: number, splits: number): readonly number[];
  /** Refuses buffers that are too small. */
  check(args: SparseSplitArgs): void;
  /** The same of a tail's; returns its uniforms. */
  checkTail(args: SparseSplitArgs & TailArgs): { readonly slots: number; readonly blocks: number };
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
    slotsFor: (capacity) => Math.min(blockSumsShape(1, capacity, headDim)[1]!, variant === 'serial' ? 8 : 4),
    check({ label, kvHeads, capacity, splits, ...args }) {
      const qHeads = kvHeads * group;
      const cacheBytes = kvHeads * capacity * headDim * 2;
      invariant(splits >= 1, `${label}: at least one split, got ${splits}`);
      expectBytes(`${label}: query`, args.query, qHeads * headDim * 4);
      expectBytes(`${label}: keyCache`, args.keyCache, cacheBytes);
      expectBytes(`${label}: valueCache`, args.valueCache, cacheBytes);
      expectBytes(`${label}: partials`, args.partials, partialBytes(qHeads, splits, headDim));
    },
    checkTail({ label, kvHeads, capacity, splits, slots, blockSums, tailSums }) {
      const sumsShape = blockSumsShape(kvHeads, capacity, headDim);
      invariant(slots >= 1, `${label}: at least one slot, got ${slots}`);
      expectBytes(`${label}: blockSums`, blockSums, byteLengthOf('f32', sumsShape));
      expectBytes(`${label}: tailSums`, tailSums, byteLengthOf('f32', tailSumsShape(kvHeads, slots, splits)));
      return { slots, blocks: sumsShape[1]! };
    },
  };
}
