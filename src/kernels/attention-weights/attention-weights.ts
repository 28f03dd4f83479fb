/** What dense attention gives each cached token while one is decoded: weights = softmax(q · Kᵀ / √headDim) per query head,
 *  exact. Three dispatches for diagnosis and for the oracle; decoding itself never forms these weights (see attend). */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import stepSource from '../shared/step.wgsl?raw';
import scoresSource from './attention-scores.wgsl?raw';
import sharesSource from './attention-shares.wgsl?raw';
import totalsSource from './attention-totals.wgsl?raw';

export interface AttentionWeightsArgs {
  readonly label: string;
  /** Uniform `Step`: tokens 0 … step.position have a weight. */
  readonly step: BufferSlice;
  /** f32 [qHeads, headDim], headDim even */
  readonly query: BufferSlice;
  /** Packed f16 [kvHeads, capacity, headDim]; rows beyond step.position are never used. */
  readonly keyCache: BufferSlice;
  /** f32 [qHeads, capacity]: the result; elements beyond step.position keep what they held. */
  readonly weights: BufferSlice;
  /** f32 of `attentionTotalsShape`: between the dispatches. */
  readonly totals: BufferSlice;
  readonly qHeads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly capacity: number;
}

export type AttentionWeights = (arena: Arena, args: AttentionWeightsArgs) => readonly Dispatch[];

export const attentionWeightsKernels = {
  scores: defineKernel({
    name: 'attention-scores',
    sources: [stepSource, () => import('../shared/dots-four.wgsl?raw'), scoresSource],
    bindings: { step: 'uniform', query: 'read', keyCache: 'read', weights: 'write' },
    uniforms: { words: 'u32', group: 'u32', capacity: 'u32', scale: 'f32' },
  }),
  totals: defineKernel({
    name: 'attention-totals',
    sources: [stepSource, totalsSource],
    bindings: { step: 'uniform', weights: 'read', totals: 'write' },
    uniforms: { capacity: 'u32' },
  }),
  shares: defineKernel({
    name: 'attention-shares',
    sources: [stepSource, sharesSource],
    bindings: { step: 'uniform', totals: 'read', weights: 'write' },
    uniforms: { capacity: 'u32' },
  }),
};

/** Shape of the f32 tensor that `totals` must be. */
export function attentionTotalsShape(qHeads: number): readonly number[] {
  return [qHeads, 2];
}

export async function prepareAttentionWeights(gpu: Gpu): Promise<AttentionWeights> {
  const [scoresOf, totalsOf, sharesOf] = await Promise.all([
    prepareKernel(gpu, attentionWeightsKernels.scores),
    prepareKernel(gpu, attentionWeightsKernels.totals),
    prepareKernel(gpu, attentionWeightsKernels.shares),
  ]);
  return (arena, args) => {
    const { label, step, query, keyCache, weights, totals, qHeads, kvHeads, headDim, capacity } = args;
    const group = qHeads / kvHeads;
    invariant(headDim % 2 === 0, `${label}: headDim must be even, got ${headDim}`);
    invariant(Number.isInteger(group), `${label}: ${kvHeads} KV heads cannot share ${qHeads} query heads`);
    expectBytes(`${label}: query`, query, qHeads * headDim * 4);
    expectBytes(`${label}: keyCache`, keyCache, kvHeads * capacity * headDim * 2);
    expectBytes(`${label}: weights`, weights, qHeads * capacity * 4);
    expectBytes(`${label}: totals`, totals, qHeads * 8);
    const headBlocks = kvHeads * Math.ceil(group / 4);
    return [
      scoresOf.dispatch(arena, {
        label: `${label}.scores`,
        bindings: { step, query, keyCache, weights },
        uniforms: { words: headDim / 2, group, capacity, scale: Math.LOG2E / Math.sqrt(headDim) },
        workgroups: [Math.ceil(capacity / 256), headBlocks],
      }),
      totalsOf.dispatch(arena, {
        label: `${label}.totals`,
        bindings: { step, weights, totals },
        uniforms: { capacity },
        workgroups: [qHeads],
      }),
      sharesOf.dispatch(arena, {
        label,
        bindings: { step, totals, weights },
        uniforms: { capacity },
        workgroups: [Math.ceil(capacity / 64), qHeads],
      }),
    ];
  };
}
