/** Exact attention mass per token for many rows, and how much of it a choice of tokens catches; see the WGSL files. */
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import stepSource from '../shared/step.wgsl?raw';
import massSource from './attention-mass.wgsl?raw';
import qualitySource from './mask-quality.wgsl?raw';

export interface AttentionMassArgs {
  readonly label: string;
  /** Uniform `Step`: row r is the query at step.position + r. */
  readonly step: BufferSlice;
  /** f32 [rows, qHeads, headDim] */
  readonly query: BufferSlice;
  /** Packed f16 [kvHeads, capacity, headDim] */
  readonly keys: BufferSlice;
  /** f32 [rows, qHeads]: log2 Σ 2^score over all tokens up to the row's own, of attend-masked. */
  readonly scales: BufferSlice;
  /** f32 [lists, rows, capacity]: Σ over the list's heads of softmax. */
  readonly mass: BufferSlice;
  readonly rows: number;
  readonly lists: number;
  readonly qHeads: number;
  readonly kvHeads: number;
  readonly headDim: number;
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
  mass(arena: Arena, args: AttentionMassArgs): Dispatch;
  quality(arena: Arena, args: MaskQualityArgs): Dispatch;
}

export const attentionMassKernels = {
  mass: defineKernel({
    name: 'attention-mass',
    sources: [stepSource, massSource],
    bindings: { step: 'uniform', query: 'read', keys: 'read', scales: 'read', mass: 'write' },
    uniforms: {
      rows: 'u32',
      listHeads: 'u32',
      qHeads: 'u32',
      group: 'u32',
      headDim: 'u32',
      capacity: 'u32',
      scale: 'f32',
    },
  }),
  quality: defineKernel({
    name: 'mask-quality',
    sources: [stepSource, qualitySource],
    bindings: { step: 'uniform', mass: 'read', mask: 'read', exactMask: 'read', quality: 'write' },
    uniforms: { rows: 'u32', maskWords: 'u32', capacity: 'u32', lists: 'u32' },
  }),
};

export async function prepareAttentionMass(gpu: Gpu): Promise<AttentionMass> {
  const [mass, quality] = await Promise.all([
    prepareKernel(gpu, attentionMassKernels.mass),
    prepareKernel(gpu, attentionMassKernels.quality),
  ]);
  return {
    mass(arena, args) {
      const { label, rows, lists, qHeads, kvHeads, headDim, capacity } = args;
      const bytes = lists * rows * capacity * 4;
      expectBytes(`${label}: mass`, args.mass, bytes);
      return mass.dispatch(arena, {
        label,
        bindings: args,
        uniforms: {
          ...{ rows, listHeads: qHeads / lists, qHeads, group: qHeads / kvHeads, headDim, capacity },
          scale: Math.LOG2E / Math.sqrt(headDim),
        },
        workgroups: [Math.ceil(capacity / 64), Math.ceil(rows / 4), lists],
        bytes,
      });
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
