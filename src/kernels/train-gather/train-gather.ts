/** What training reads of a prefill: cached keys as f32, and the queries at sampled positions. */
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import { type Dispatch, gridOf } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import step from '../shared/step.wgsl?raw';
import keysSource from './gather-keys.wgsl?raw';
import rowsSource from './gather-rows.wgsl?raw';

export interface GatherKeysArgs {
  readonly label: string;
  /** Packed f16 [kvHeads, capacity, headDim] */
  readonly keyCache: BufferSlice;
  /** f32 [kvHeads, tokens, headDim] */
  readonly out: BufferSlice;
  readonly tokens: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly capacity: number;
}

export interface GatherRowsArgs {
  readonly label: string;
  /** Uniform `Step`: `rows` holds the rows of tokens step.position … + step.rows − 1. */
  readonly step: BufferSlice;
  /** u32 [count] */
  readonly positions: BufferSlice;
  /** f32 [step.rows, width] */
  readonly rows: BufferSlice;
  /** f32 [count, width]: row i becomes that of positions[i], or stays where the chunk does not hold it. */
  readonly out: BufferSlice;
  readonly count: number;
  readonly width: number;
}

export interface TrainGather {
  keys(arena: Arena, args: GatherKeysArgs): Dispatch;
  rows(arena: Arena, args: GatherRowsArgs): Dispatch;
}

export const definitions = {
  keys: defineKernel({
    name: 'train-gather-keys',
    sources: [keysSource],
    bindings: { keys: 'read', out: 'write' },
    uniforms: { pairs: 'u32', pairsPerHead: 'u32', pairStride: 'u32' },
  }),
  rows: defineKernel({
    name: 'train-gather-rows',
    sources: [step, rowsSource],
    bindings: { step: 'uniform', positions: 'read', rows: 'read', out: 'write' },
    uniforms: { count: 'u32', width: 'u32' },
  }),
};

export async function prepareTrainGather(gpu: Gpu): Promise<TrainGather> {
  const [keys, rows] = await Promise.all([
    prepareKernel(gpu, definitions.keys),
    prepareKernel(gpu, definitions.rows),
  ]);
  return {
    keys: (arena, { label, keyCache, out, tokens, kvHeads, headDim, capacity }) => {
      const pairsPerHead = (tokens * headDim) / 2;
      const pairs = kvHeads * pairsPerHead;
      expectBytes(`${label}: keyCache`, keyCache, 2 * kvHeads * capacity * headDim);
      expectBytes(`${label}: out`, out, 8 * pairs);
      return keys.dispatch(arena, {
        label,
        bindings: { keys: keyCache, out },
        uniforms: { pairs, pairsPerHead, pairStride: (capacity * headDim) / 2 },
        workgroups: gridOf(Math.ceil(pairs / 256)),
        bytes: 12 * pairs,
      });
    },
    rows: (arena, { label, step: stepSlice, positions, rows: source, out, count, width }) => {
      expectBytes(`${label}: out`, out, 4 * count * width);
      return rows.dispatch(arena, {
        label,
        bindings: { step: stepSlice, positions, rows: source, out },
        uniforms: { count, width },
        workgroups: gridOf(Math.ceil((count * width) / 256)),
        bytes: 8 * count * width,
      });
    },
  };
}
