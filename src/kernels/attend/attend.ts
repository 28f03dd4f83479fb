/** Decode attention of one token over a set of cache rows: out = softmax(q · Kᵀ / √headDim) · V per query head,
 *  split over tokens into partial results that a second dispatch merges. See attend-split.wgsl. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu, KernelVariant } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import stepSource from '../shared/step.wgsl?raw';
import { type AttendMerge, prepareMerge } from './attend-merge.ts';
import splitSource from './attend-split.wgsl?raw';
import laneOctets from './lane-octets.wgsl?raw';
import queryColumns from './query-columns.wgsl?raw';
import rowsUnsummed from './rows-unsummed.wgsl?raw';
import splitMain from './split-main.wgsl?raw';
import splitMainSerial from './split-main-serial.wgsl?raw';
import {
  headBlocks,
  partialBytes,
  partialsShape,
  planSplit,
  serialConstants,
  splitsFor,
  teamConstants,
  variantFor,
} from './split-plan.ts';
import teamSums from './team-sums.wgsl?raw';
import tilesInTurn from './tiles-in-turn.wgsl?raw';
import tokenRange from './token-range.wgsl?raw';
import weighSubgroup from './weigh-subgroup.wgsl?raw';

const weighWorkgroup = () => import('./weigh-workgroup.wgsl?raw');
const dotsSource = () => import('../shared/dots-four.wgsl?raw');
const serialSource = () => import('./attend-split-serial.wgsl?raw');

export interface AttendShape {
  /** Even, at most 256; variants other than `serial` need a multiple of 8, `subgroup` also at most 16 · the smallest
   *  subgroup. */
  readonly headDim: number;
  /** Query heads per KV head. */
  readonly group: number;
  /** The fastest this device runs, unless told. */
  readonly variant?: KernelVariant;
}

export interface AttendSplitArgs {
  readonly label: string;
  /** Uniform `Step`: tokens 0 … step.position are attended. */
  readonly step: BufferSlice;
  /** f32 [kvHeads · group, headDim] */
  readonly query: BufferSlice;
  /** Packed f16 [kvHeads, capacity, headDim]; rows beyond step.position are never used. */
  readonly keyCache: BufferSlice;
  readonly valueCache: BufferSlice;
  /** f32 of `partialsShape` */
  readonly partials: BufferSlice;
  readonly kvHeads: number;
  readonly capacity: number;
  readonly splits: number;
}

export interface Attend {
  readonly variant: KernelVariant;
  split(arena: Arena, args: AttendSplitArgs): Dispatch;
  readonly merge: AttendMerge;
  /** Shape of the f32 tensor between the two dispatches. */
  partialsShape(kvHeads: number, splits: number): readonly number[];
  /** A number of splits that fills the device without making the merge long. */
  splitsFor(capacity: number, kvHeads: number): number;
}

const bindings = {
  step: 'uniform',
  query: 'read',
  keyCache: 'read',
  valueCache: 'read',
  partials: 'write',
} as const;
const uniforms = { capacity: 'u32', splits: 'u32', parts: 'u32' } as const;

const teamSources = [tilesInTurn, laneOctets, queryColumns, teamSums, splitSource];
export const splitKernels = {
  workgroup: defineKernel({
    name: 'attend-split-workgroup',
    sources: [stepSource, tokenRange, rowsUnsummed, weighWorkgroup, ...teamSources, splitMain],
    bindings,
    uniforms,
    constants: teamConstants,
  }),
  subgroup: defineKernel({
    name: 'attend-split-subgroup',
    sources: [
      'enable subgroups;',
      ...[stepSource, tokenRange, rowsUnsummed, weighSubgroup, ...teamSources, splitMain],
    ],
    bindings,
    uniforms,
    constants: teamConstants,
    features: ['subgroups'],
  }),
  serial: defineKernel({
    name: 'attend-split-serial',
    sources: [stepSource, tokenRange, dotsSource, serialSource, splitMainSerial],
    bindings,
    uniforms,
    constants: serialConstants,
  }),
};

export async function prepareAttend(gpu: Gpu, shape: AttendShape): Promise<Attend> {
  const { headDim, group } = shape;
  const variant = variantFor(gpu, headDim, shape.variant);
  const plan = planSplit(gpu, variant, { headDim, group, listsPerKvHead: 1, isLong: true });
  const [splitter, merge] = await Promise.all([
    prepareKernel(gpu, splitKernels[variant], plan.constants),
    prepareMerge(gpu, variant, { headDim, group }),
  ]);

  return {
    variant,
    merge,
    partialsShape: (kvHeads, splits) => partialsShape(kvHeads * group, splits, headDim),
    splitsFor: (capacity, kvHeads) => splitsFor(plan, capacity, headBlocks(plan, kvHeads * group, group)),

    split(arena, args) {
      const { label, kvHeads, capacity, splits } = args;
      const qHeads = kvHeads * group;
      const cacheBytes = kvHeads * capacity * headDim * 2;
      invariant(splits >= 1, `${label}: at least one split, got ${splits}`);
      expectBytes(`${label}: query`, args.query, qHeads * headDim * 4);
      expectBytes(`${label}: keyCache`, args.keyCache, cacheBytes);
      expectBytes(`${label}: valueCache`, args.valueCache, cacheBytes);
      expectBytes(`${label}: partials`, args.partials, partialBytes(qHeads, splits, headDim));
      return splitter.dispatch(arena, {
        label,
        bindings: args,
        uniforms: { capacity, splits, parts: splits },
        workgroups: [Math.ceil(splits / plan.splitsPerWorkgroup), headBlocks(plan, qHeads, group)],
      });
    },
  };
}
