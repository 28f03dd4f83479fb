/** What signatures are to predict: a list's attention mass at each candidate. See train-target.wgsl. */
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import { type RowVariant, rowThreads } from '../shared/row-threads.ts';
import source from './train-target.wgsl?raw';

export interface TrainTargetArgs {
  readonly label: string;
  /** u32 [rows]: the token each row's query stands at. */
  readonly positions: BufferSlice;
  /** f32 [lists · heads, rows, tokens]: q · k. */
  readonly products: BufferSlice;
  /** f32 [lists, rows, tokens] */
  readonly targets: BufferSlice;
  readonly lists: number;
  /** Query heads per list. */
  readonly heads: number;
  readonly rows: number;
  readonly tokens: number;
  /** First tokens, and last up to the query's own, that are attended anyway and are no candidates. */
  readonly sink: number;
  readonly window: number;
  /** Of products into logits: 1 / √headDim. */
  readonly scale: number;
}

export type TrainTarget = (arena: Arena, args: TrainTargetArgs) => Dispatch;

export const definition = defineKernel({
  name: 'train-target',
  sources: [source],
  bindings: { positions: 'read', products: 'read', targets: 'write' },
  uniforms: { rows: 'u32', tokens: 'u32', heads: 'u32', sink: 'u32', window: 'u32', scale: 'f32' },
  constants: ['threads'],
});

export async function prepareTrainTarget(gpu: Gpu, variant?: RowVariant): Promise<TrainTarget> {
  const kernel = await prepareKernel(gpu, definition, { threads: rowThreads(gpu, variant) });
  return (arena, args) => {
    const { label, positions, products, targets, lists, heads, rows, tokens, sink, window, scale } = args;
    expectBytes(`${label}: positions`, positions, 4 * rows);
    expectBytes(`${label}: products`, products, 4 * lists * heads * rows * tokens);
    expectBytes(`${label}: targets`, targets, 4 * lists * rows * tokens);
    return kernel.dispatch(arena, {
      label,
      bindings: { positions, products, targets },
      uniforms: { rows, tokens, heads, sink, window, scale },
      workgroups: [rows, lists],
      bytes: 4 * lists * rows * tokens * (heads + 1),
    });
  };
}
