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
import mergeSource from './attend-merge.wgsl?raw';
import mergeSerialSource from './attend-merge-serial.wgsl?raw';
import splitSource from './attend-split.wgsl?raw';
import serialSource from './attend-split-serial.wgsl?raw';
import tokenRange from './token-range.wgsl?raw';
import weighSubgroup from './weigh-subgroup.wgsl?raw';
import weighWorkgroup from './weigh-workgroup.wgsl?raw';

export interface AttendShape {
  /** Even, at most 256; variants other than `serial` need a multiple of 8. */
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

export interface AttendMergeArgs {
  readonly label: string;
  readonly partials: BufferSlice;
  /** f32 [kvHeads · group, headDim] */
  readonly out: BufferSlice;
  readonly kvHeads: number;
  readonly splits: number;
}

export interface Attend {
  readonly variant: KernelVariant;
  split(arena: Arena, args: AttendSplitArgs): Dispatch;
  merge(arena: Arena, args: AttendMergeArgs): Dispatch;
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
const uniforms = { capacity: 'u32', splits: 'u32' } as const;
const teamConstants = ['headDim', 'group', 'lanes', 'octets', 'threads'];

export const splitKernels = {
  workgroup: defineKernel({
    name: 'attend-split-workgroup',
    sources: [stepSource, tokenRange, weighWorkgroup, splitSource],
    bindings,
    uniforms,
    constants: teamConstants,
  }),
  subgroup: defineKernel({
    name: 'attend-split-subgroup',
    sources: ['enable subgroups;', stepSource, tokenRange, weighSubgroup, splitSource],
    bindings,
    uniforms,
    constants: teamConstants,
    features: ['subgroups'],
  }),
  serial: defineKernel({
    name: 'attend-split-serial',
    sources: [stepSource, tokenRange, serialSource],
    bindings,
    uniforms,
    constants: ['headDim', 'group'],
  }),
};

const merge = {
  bindings: { partials: 'read', out: 'write' },
  uniforms: { splits: 'u32' },
  constants: ['headDim'],
} as const;
export const mergeKernel = defineKernel({ name: 'attend-merge', sources: [mergeSource], ...merge });
export const mergeSerialKernel = defineKernel({
  name: 'attend-merge-serial',
  sources: [mergeSerialSource],
  ...merge,
});

export async function prepareAttend(gpu: Gpu, shape: AttendShape): Promise<Attend> {
  const { headDim, group } = shape;
  invariant(headDim % 2 === 0 && headDim <= 256, `attend: headDim must be even, at most 256, got ${headDim}`);
  const variant =
    shape.variant ?? (headDim % 8 === 0 ? gpu.chooseVariant(['workgroup', 'subgroup', 'serial']) : 'serial');
  const plan = planSplit(gpu, variant, headDim, group);
  const [splitter, merger] = await Promise.all([
    prepareKernel(gpu, splitKernels[variant], plan.constants),
    prepareKernel(gpu, variant === 'serial' ? mergeSerialKernel : mergeKernel, { headDim }),
  ]);
  const headBlocks = (kvHeads: number): number => kvHeads * Math.ceil(group / 4);
  const partialsShape = (kvHeads: number, splits: number): readonly number[] => [
    kvHeads * group,
    splits,
    Math.ceil(headDim / 4) * 4 + 4,
  ];
  const partialBytes = (kvHeads: number, splits: number): number =>
    partialsShape(kvHeads, splits).reduce((product, size) => product * size, 4);
  const headBytes = (kvHeads: number): number => kvHeads * group * headDim * 4;

  return {
    variant,
    partialsShape,

    split(arena, args) {
      const { label, kvHeads, capacity, splits } = args;
      const cacheBytes = kvHeads * capacity * headDim * 2;
      invariant(splits >= 1, `${label}: at least one split, got ${splits}`);
      expectBytes(`${label}: query`, args.query, headBytes(kvHeads));
      expectBytes(`${label}: keyCache`, args.keyCache, cacheBytes);
      expectBytes(`${label}: valueCache`, args.valueCache, cacheBytes);
      expectBytes(`${label}: partials`, args.partials, partialBytes(kvHeads, splits));
      return splitter.dispatch(arena, {
        label,
        bindings: args,
        uniforms: { capacity, splits },
        workgroups: [Math.ceil(splits / plan.splitsPerWorkgroup), headBlocks(kvHeads)],
      });
    },

    merge(arena, { label, partials, out, kvHeads, splits }) {
      expectBytes(`${label}: partials`, partials, partialBytes(kvHeads, splits));
      expectBytes(`${label}: out`, out, headBytes(kvHeads));
      return merger.dispatch(arena, {
        label,
        bindings: { partials, out },
        uniforms: { splits },
        workgroups: [kvHeads * group],
        bytes: partialBytes(kvHeads, splits) + headBytes(kvHeads),
      });
    },

    splitsFor(capacity, kvHeads) {
      const most = Math.min(plan.targetSplits / headBlocks(kvHeads), capacity / plan.tile);
      return Math.ceil(most / plan.splitsPerWorkgroup) * plan.splitsPerWorkgroup;
    },
  };
}

interface SplitPlan {
  readonly constants: Readonly<Record<string, number>>;
  /** Tokens a split takes at a time. */
  readonly tile: number;
  readonly splitsPerWorkgroup: number;
  /** Splits of all KV heads together that keep a device busy. */
  readonly targetSplits: number;
}

function planSplit(gpu: Gpu, variant: KernelVariant, headDim: number, group: number): SplitPlan {
  if (variant === 'serial') {
    return {
      constants: { headDim, group },
      tile: 32,
      splitsPerWorkgroup: 4,
      targetSplits: 48,
    };
  }
  invariant(headDim % 8 === 0, `attend ${variant}: headDim must be a multiple of 8, got ${headDim}`);
  const rowOctets = headDim / 8;
  const lanes = Math.min(Math.max(4, powerOfTwoFrom(rowOctets)), largestTeam(gpu, variant));
  const octets = Math.ceil(rowOctets / lanes);
  // Shuffles cost no workgroup memory: more teams share the work of meeting at the end.
  const threads = Math.max(lanes, (variant === 'subgroup' ? 128 : 64) / powerOfTwoFrom(octets));
  return {
    constants: { headDim, group, lanes, octets, threads },
    tile: 4 * (threads / lanes),
    splitsPerWorkgroup: 1,
    targetSplits: 512,
  };
}

/** Lanes that can add up their scores: the smallest subgroup the device may use, or any number through memory. */
function largestTeam(gpu: Gpu, variant: 'workgroup' | 'subgroup'): number {
  if (variant === 'workgroup') return 32;
  invariant(gpu.traits.subgroups, 'attend: the subgroup variant needs the subgroups feature');
  return Math.min(32, gpu.traits.subgroups.min);
}

function powerOfTwoFrom(count: number): number {
  return 2 ** Math.ceil(Math.log2(count));
}
