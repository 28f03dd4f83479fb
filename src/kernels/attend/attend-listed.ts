/** Decode attention of one token over the first tokens, a list, and the last: as attend.ts, over fewer rows.
 *  `merge` takes the splits' partial results as they are; attend-tail.ts adds what was left out as one more token. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu, KernelVariant } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import budgetSource from '../shared/budget.wgsl?raw';
import stepSource from '../shared/step.wgsl?raw';
import { type AttendMerge, prepareMerge } from './attend-merge.ts';
import splitSource from './attend-split.wgsl?raw';
import serialSource from './attend-split-serial.wgsl?raw';
import splitMain from './split-main.wgsl?raw';
import splitMainSerial from './split-main-serial.wgsl?raw';
import {
  headBlocks,
  partialBytes,
  partialsShape,
  planSplit,
  type SplitPlan,
  serialConstants,
  splitsFor,
  teamConstants,
  variantFor,
} from './split-plan.ts';
import tokenList from './token-list.wgsl?raw';
import weighSubgroup from './weigh-subgroup.wgsl?raw';
import weighWorkgroup from './weigh-workgroup.wgsl?raw';

export interface AttendListedShape {
  /** Even, at most 256; variants other than `serial` need a multiple of 8. */
  readonly headDim: number;
  /** Query heads per KV head. */
  readonly group: number;
  /** One list of tokens per KV head, whose rows are read once for the whole group, or one per query head. */
  readonly lists: 'kv-head' | 'query-head';
  /** The fastest this device runs, unless told. */
  readonly variant?: KernelVariant;
}

export interface AttendListedArgs {
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
  /** u32 [lists, listCapacity]: tokens in ascending order, each a candidate of the budget. */
  readonly tokenLists: BufferSlice;
  /** f32 of `partialsShape` */
  readonly partials: BufferSlice;
  readonly kvHeads: number;
  readonly capacity: number;
  readonly listCapacity: number;
  readonly splits: number;
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

/** Bindings and uniforms of a split over lists. */
export const listedBindings = {
  step: 'uniform',
  query: 'read',
  keyCache: 'read',
  valueCache: 'read',
  partials: 'write',
  budget: 'uniform',
  tokenLists: 'read',
} as const;
export const listedUniforms = {
  capacity: 'u32',
  splits: 'u32',
  listCapacity: 'u32',
  kvHeads: 'u32',
  slots: 'u32',
  blocks: 'u32',
} as const;
const setSources = [stepSource, budgetSource, tokenList];
const declared = { bindings: listedBindings, uniforms: listedUniforms };

export const listedKernels = {
  workgroup: defineKernel({
    name: 'attend-listed-workgroup',
    sources: [...setSources, weighWorkgroup, splitSource, splitMain],
    ...declared,
    constants: teamConstants,
  }),
  subgroup: defineKernel({
    name: 'attend-listed-subgroup',
    sources: ['enable subgroups;', ...setSources, weighSubgroup, splitSource, splitMain],
    ...declared,
    constants: teamConstants,
    features: ['subgroups'],
  }),
  serial: defineKernel({
    name: 'attend-listed-serial',
    sources: [...setSources, serialSource, splitMainSerial],
    ...declared,
    constants: serialConstants,
  }),
};

export async function prepareAttendListed(gpu: Gpu, shape: AttendListedShape): Promise<AttendListed> {
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
      return splitter.dispatch(arena, {
        label,
        bindings: args,
        uniforms: { capacity, splits, listCapacity, kvHeads, slots: 0, blocks: 0 },
        workgroups: [layout.workgroupsFor(splits), layout.rowsFor(kvHeads)],
      });
    },
  };
}

/** How lists are laid out over query heads and workgroups. */
export interface ListsLayout {
  readonly plan: SplitPlan;
  readonly listsPerKvHead: number;
  splitsFor(tokens: number, kvHeads: number): number;
  /** Workgroups along x for the splits. */
  workgroupsFor(splits: number): number;
  /** Workgroups along y: four query heads of a list each. */
  rowsFor(kvHeads: number): number;
  /** Refuses buffers that are too small. */
  check(args: AttendListedArgs): void;
}

export function planLists(gpu: Gpu, variant: KernelVariant, shape: AttendListedShape): ListsLayout {
  const { headDim, group } = shape;
  const listsPerKvHead = shape.lists === 'kv-head' ? 1 : group;
  const listGroup = group / listsPerKvHead;
  const plan = planSplit(gpu, variant, { headDim, group: listGroup, listsPerKvHead });
  const rowsFor = (kvHeads: number): number => headBlocks(kvHeads * group, listGroup);
  return {
    plan,
    listsPerKvHead,
    rowsFor,
    splitsFor: (tokens, kvHeads) => splitsFor(plan, tokens, rowsFor(kvHeads)),
    workgroupsFor: (splits) => Math.ceil(splits / plan.splitsPerWorkgroup),
    check(args) {
      const { label, kvHeads, capacity, listCapacity, splits } = args;
      const qHeads = kvHeads * group;
      const cacheBytes = kvHeads * capacity * headDim * 2;
      invariant(splits >= 1, `${label}: at least one split, got ${splits}`);
      invariant(listCapacity >= 1, `${label}: lists of at least one token, got ${listCapacity}`);
      expectBytes(`${label}: query`, args.query, qHeads * headDim * 4);
      expectBytes(`${label}: keyCache`, args.keyCache, cacheBytes);
      expectBytes(`${label}: valueCache`, args.valueCache, cacheBytes);
      expectBytes(`${label}: tokenLists`, args.tokenLists, kvHeads * listsPerKvHead * listCapacity * 4);
      expectBytes(`${label}: partials`, args.partials, partialBytes(qHeads, splits, headDim));
    },
  };
}
