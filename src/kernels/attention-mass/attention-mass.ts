/** Exact attention mass per token for many rows, and how much of it a choice of tokens catches; see the WGSL files. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import stepSource from '../shared/step.wgsl?raw';
import massSource from './attention-mass.wgsl?raw';
import rowsSource from './eight-rows.wgsl?raw';
import octets from './key-octets.wgsl?raw';
import words from './key-words.wgsl?raw';
import qualitySource from './mask-quality.wgsl?raw';
import scalesSource from './score-sums.wgsl?raw';

export interface AttentionMassArgs {
  readonly label: string;
  /** Uniform `Step`: row r is the query at step.position + r. */
  readonly step: BufferSlice;
  /** f32 [rows, qHeads, headDim] */
  readonly query: BufferSlice;
  /** Packed f16 [kvHeads, capacity, headDim] */
  readonly keys: BufferSlice;
  /** f32 [rows, qHeads]: log2 Σ 2^score over all tokens up to the row's own; passes from one dispatch to the other. */
  readonly scales: BufferSlice;
  /** f32 [lists, rows, capacity]: Σ over the list's heads of softmax. */
  readonly mass: BufferSlice;
  /** Most rows that step.rows will say, and what mass has room for. */
  readonly rows: number;
  readonly lists: number;
  readonly qHeads: number;
  readonly kvHeads: number;
  readonly capacity: number;
}

export interface MaskQualityArgs {
  readonly label: string;
  readonly step: BufferSlice;
  /** f32 [lists, rows, capacity] */
  readonly mass: BufferSlice;
  /** u32 [lists, rows, ⌈capacity / 32⌉] */
  readonly mask: BufferSlice;
  /** The same, of as many tokens, by exact mass. */
  readonly exactMask: BufferSlice;
  /** f32 [lists, rows, 2]: mass caught; tokens in both masks. */
  readonly quality: BufferSlice;
  readonly rows: number;
  readonly lists: number;
  readonly capacity: number;
}

export interface AttentionMass {
  mass(arena: Arena, args: AttentionMassArgs): Dispatch[];
  quality(arena: Arena, args: MaskQualityArgs): Dispatch;
}

const bindings = { step: 'uniform', query: 'read', keys: 'read' } as const;
const sizes = { qHeads: 'u32', group: 'u32', headDim: 'u32', capacity: 'u32', scale: 'f32' } as const;

/** By how the cache is read. */
const scalesKernels = {
  octets: defineKernel({
    name: 'score-sums-octets',
    sources: [stepSource, rowsSource, octets, scalesSource],
    bindings: { ...bindings, scales: 'write' },
    uniforms: sizes,
  }),
  words: defineKernel({
    name: 'score-sums-words',
    sources: [stepSource, rowsSource, words, scalesSource],
    bindings: { ...bindings, scales: 'write' },
    uniforms: sizes,
  }),
};

const massKernels = {
  octets: defineKernel({
    name: 'attention-mass-octets',
    sources: [stepSource, rowsSource, octets, massSource],
    bindings: { ...bindings, scales: 'read', mass: 'write' },
    uniforms: { ...sizes, rows: 'u32', listHeads: 'u32' },
  }),
  words: defineKernel({
    name: 'attention-mass-words',
    sources: [stepSource, rowsSource, words, massSource],
    bindings: { ...bindings, scales: 'read', mass: 'write' },
    uniforms: { ...sizes, rows: 'u32', listHeads: 'u32' },
  }),
};

export const attentionMassKernels = {
  scales: scalesKernels,
  mass: massKernels,
  quality: defineKernel({
    name: 'mask-quality',
    sources: [stepSource, qualitySource],
    bindings: { step: 'uniform', mass: 'read', mask: 'read', exactMask: 'read', quality: 'write' },
    uniforms: { rows: 'u32', maskWords: 'u32', capacity: 'u32', lists: 'u32' },
  }),
};

/** For one head size, even and at most 256. */
export async function prepareAttentionMass(gpu: Gpu, headDim: number): Promise<AttentionMass> {
  invariant(
    headDim % 2 === 0 && headDim <= 256,
    `attention-mass: head size ${headDim} is not even or above 256`,
  );
  const reads = headDim % 8 === 0 ? 'octets' : 'words';
  const [scales, mass, quality] = await Promise.all([
    prepareKernel(gpu, scalesKernels[reads]),
    prepareKernel(gpu, massKernels[reads]),
    prepareKernel(gpu, attentionMassKernels.quality),
  ]);
  return {
    mass(arena, args) {
      const { label, rows, lists, qHeads, kvHeads, capacity } = args;
      const bytes = lists * rows * capacity * 4;
      expectBytes(`${label}: mass`, args.mass, bytes);
      const scale = Math.LOG2E / Math.sqrt(headDim);
      const uniforms = { qHeads, group: qHeads / kvHeads, headDim, capacity, scale };
      const eights = Math.ceil(rows / 8);
      return [
        scales.dispatch(arena, {
          ...{ label: `${label}.scales`, bindings: args, uniforms },
          workgroups: [eights, qHeads],
          bytes: rows * qHeads * 4,
        }),
        mass.dispatch(arena, {
          ...{ label, bindings: args, uniforms: { ...uniforms, rows, listHeads: qHeads / lists } },
          workgroups: [Math.ceil(capacity / 64), eights, lists],
          bytes,
        }),
      ];
    },
    quality(arena, args) {
      const { label, rows, lists, capacity } = args;
      const maskWords = Math.ceil(capacity / 32);
      expectBytes(`${label}: mass`, args.mass, lists * rows * capacity * 4);
      expectBytes(`${label}: mask`, args.mask, lists * rows * maskWords * 4);
      expectBytes(`${label}: quality`, args.quality, lists * rows * 8);
      return quality.dispatch(arena, {
        label,
        bindings: args,
        uniforms: { rows, maskWords, capacity, lists },
        workgroups: [Math.ceil((lists * rows) / 64)],
        bytes: lists * rows * capacity * 4,
      });
    },
  };
}
