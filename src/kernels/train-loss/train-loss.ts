/** How far predicted scores are from the attention they are to predict, and the slope. See train-loss-mass.wgsl and
 *  train-loss-bce.wgsl. */
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import ranking from '../shared/ranking.wgsl?raw';
import { type RowVariant, rowThreads } from '../shared/row-threads.ts';
import rowSource from './row.wgsl?raw';
import bceSource from './train-loss-bce.wgsl?raw';
import massSource from './train-loss-mass.wgsl?raw';

/** 'mass': cross-entropy against the attention mass, weighted by it. 'bce': the published one, 32 labels a row. */
export type TrainLossKind = 'mass' | 'bce';

export interface TrainLossArgs {
  readonly label: string;
  /** u32 [rows] */
  readonly positions: BufferSlice;
  /** f32 [lists, rows, tokens], as train-target leaves them. */
  readonly targets: BufferSlice;
  /** f32; element `scaleIndex` is t. */
  readonly parameters: BufferSlice;
  readonly scaleIndex: number;
  /** f32 [lists, rows, tokens]: S, replaced by the slope of the loss by S. */
  readonly scores: BufferSlice;
  /** f32 [2, allRows]: each row's loss and its slope by t; this dispatch's rows from `firstResult` on. */
  readonly results: BufferSlice;
  readonly firstResult: number;
  readonly allRows: number;
  /** Weight of a row in the loss. */
  readonly share: number;
  readonly lists: number;
  readonly rows: number;
  readonly tokens: number;
  readonly sink: number;
  readonly window: number;
}

export type TrainLoss = (arena: Arena, args: TrainLossArgs) => Dispatch;

const bindings = {
  positions: 'read',
  targets: 'read',
  parameters: 'read',
  scores: 'write',
  results: 'write',
} as const;
const uniforms = {
  rows: 'u32',
  tokens: 'u32',
  sink: 'u32',
  window: 'u32',
  firstResult: 'u32',
  allRows: 'u32',
  scaleIndex: 'u32',
  share: 'f32',
} as const;

const constants = ['threads'];

export const definitions = {
  mass: defineKernel({
    name: 'train-loss-mass',
    sources: [rowSource, massSource],
    bindings,
    uniforms,
    constants,
  }),
  bce: defineKernel({
    name: 'train-loss-bce',
    sources: [ranking, rowSource, bceSource],
    bindings,
    uniforms,
    constants,
  }),
};

export async function prepareTrainLoss(
  gpu: Gpu,
  kind: TrainLossKind,
  variant?: RowVariant,
): Promise<TrainLoss> {
  const kernel = await prepareKernel(gpu, definitions[kind], { threads: rowThreads(gpu, variant) });
  return (arena, args) => {
    const { label, positions, targets, parameters, scores, results, lists, rows, tokens } = args;
    const { sink, window, firstResult, allRows, scaleIndex, share } = args;
    expectBytes(`${label}: targets`, targets, 4 * lists * rows * tokens);
    expectBytes(`${label}: scores`, scores, 4 * lists * rows * tokens);
    expectBytes(`${label}: results`, results, 8 * allRows);
    return kernel.dispatch(arena, {
      label,
      bindings: { positions, targets, parameters, scores, results },
      uniforms: { rows, tokens, sink, window, firstResult, allRows, scaleIndex, share },
      workgroups: [rows, lists],
      bytes: 12 * lists * rows * tokens,
    });
  };
}
