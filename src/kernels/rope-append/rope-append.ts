/** Rotates query and key by their positions and appends key and value to the cache. See rope-append.wgsl. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import halfSource from '../shared/half.wgsl?raw';
import stepSource from '../shared/step.wgsl?raw';
import headPlain from './head-plain.wgsl?raw';
import source from './rope-append.wgsl?raw';

export interface RopeAppendArgs {
  readonly label: string;
  /** Uniform `Step`: row r of qkv stands at step.position + r; rows from step.rows on, or beyond the capacity, are skipped. */
  readonly step: BufferSlice;
  /** f32 [rows, (qHeads + 2 · kvHeads) · headDim]: query, key, value. */
  readonly qkv: BufferSlice;
  /** Rotated query, f32 [rows, qHeads · headDim]; another buffer than qkv. */
  readonly query: BufferSlice;
  /** cos and sin, f32 [capacity or more, headDim / 2, 2], computed on the CPU; any attention factor included. */
  readonly angles: BufferSlice;
  /** Packed f16 [kvHeads, capacity, headDim]. */
  readonly keyCache: BufferSlice;
  readonly valueCache: BufferSlice;
  /** f32 [headDim] each; given exactly when prepared with `qkNorm`. */
  readonly queryNorm?: BufferSlice;
  readonly keyNorm?: BufferSlice;
  /** Rows dispatched: the most that step.rows will say. */
  readonly rows: number;
  readonly qHeads: number;
  readonly kvHeads: number;
  /** Even. */
  readonly headDim: number;
  readonly capacity: number;
  /** Of the QK norm; unused without. */
  readonly eps: number;
}

export type RopeAppend = (arena: Arena, args: RopeAppendArgs) => Dispatch;

const bindings = {
  step: 'uniform',
  qkv: 'read',
  angles: 'read',
  query: 'write',
  keyCache: 'write',
  valueCache: 'write',
} as const;
const uniforms = { qHeads: 'u32', kvHeads: 'u32', headDim: 'u32', capacity: 'u32', eps: 'f32' } as const;

export const plain = defineKernel({
  name: 'rope-append',
  sources: [halfSource, stepSource, headPlain, source],
  bindings,
  uniforms,
});
export const normed = defineKernel({
  name: 'rope-append-norm',
  sources: [halfSource, stepSource, () => import('./head-normed.wgsl?raw'), source],
  bindings: { ...bindings, queryNorm: 'read', keyNorm: 'read' },
  uniforms,
});

/** @param options.qkNorm RMS norm of each query and key head before the rotation (Qwen 3). */
export async function prepareRopeAppend(
  gpu: Gpu,
  options: { readonly qkNorm: boolean },
): Promise<RopeAppend> {
  if (!options.qkNorm) {
    const kernel = await prepareKernel(gpu, plain);
    return (arena, args) => {
      invariant(
        !args.queryNorm && !args.keyNorm,
        `${args.label}: prepared without a QK norm, got its weights`,
      );
      return kernel.dispatch(arena, { ...common(args), bindings: args });
    };
  }
  const kernel = await prepareKernel(gpu, normed);
  return (arena, args) => {
    const { queryNorm, keyNorm } = args;
    invariant(queryNorm && keyNorm, `${args.label}: the QK norm needs queryNorm and keyNorm`);
    expectBytes(`${args.label}: queryNorm`, queryNorm, args.headDim * 4);
    expectBytes(`${args.label}: keyNorm`, keyNorm, args.headDim * 4);
    return kernel.dispatch(arena, { ...common(args), bindings: { ...args, queryNorm, keyNorm } });
  };
}

function common(args: RopeAppendArgs) {
  const { label, rows, qHeads, kvHeads, headDim, capacity, eps } = args;
  const heads = qHeads + 2 * kvHeads;
  const cacheBytes = kvHeads * capacity * headDim * 2;
  invariant(headDim % 2 === 0, `${label}: headDim must be even, got ${headDim}`);
  expectBytes(`${label}: qkv`, args.qkv, rows * heads * headDim * 4);
  expectBytes(`${label}: query`, args.query, rows * qHeads * headDim * 4);
  expectBytes(`${label}: angles`, args.angles, capacity * headDim * 4);
  expectBytes(`${label}: keyCache`, args.keyCache, cacheBytes);
  expectBytes(`${label}: valueCache`, args.valueCache, cacheBytes);
  return {
    label,
    uniforms: { qHeads, kvHeads, headDim, capacity, eps },
    workgroups: [heads, rows] as const,
    bytes: rows * headDim * (4 * heads + 4 * qHeads + 4 * kvHeads),
  };
}
