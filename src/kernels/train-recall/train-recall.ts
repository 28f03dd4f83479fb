/** How well signatures find what attention looks at, counted as selection counts. See train-levels.wgsl and
 *  train-recall.wgsl. */
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import queryLevels from '../shared/query-levels.wgsl?raw';
import ranking from '../shared/ranking.wgsl?raw';
import { type RowVariant, rowThreads } from '../shared/row-threads.ts';
import levelsSource from './train-levels.wgsl?raw';
import recallSource from './train-recall.wgsl?raw';

export interface TrainLevelsArgs {
  readonly label: string;
  /** values, out: f32 [rows, bits] */
  readonly values: BufferSlice;
  readonly out: BufferSlice;
  readonly rows: number;
  readonly bits: number;
  readonly queryBits: number;
}

export interface TrainRecallArgs {
  readonly label: string;
  /** u32 [rows] */
  readonly positions: BufferSlice;
  /** targets, scores: f32 [lists, rows, tokens] */
  readonly targets: BufferSlice;
  readonly scores: BufferSlice;
  /** f32 [.., 4]: this dispatch's [lists, rows] from `firstResult` on; per row the share of the true top k found, the
   *  mass caught, the most that k tokens could catch, the mass of all candidates. */
  readonly results: BufferSlice;
  readonly firstResult: number;
  readonly lists: number;
  readonly rows: number;
  readonly tokens: number;
  readonly sink: number;
  readonly window: number;
  /** k as a share of the context. */
  readonly share: number;
}

export interface TrainRecall {
  levels(arena: Arena, args: TrainLevelsArgs): Dispatch;
  recall(arena: Arena, args: TrainRecallArgs): Dispatch;
}

export const definitions = {
  levels: defineKernel({
    name: 'train-levels',
    sources: [queryLevels, levelsSource],
    bindings: { values: 'read', out: 'write' },
    uniforms: { rows: 'u32', bits: 'u32', queryBits: 'u32' },
  }),
  recall: defineKernel({
    name: 'train-recall',
    sources: [ranking, recallSource],
    bindings: { positions: 'read', targets: 'read', scores: 'read', results: 'write' },
    uniforms: { rows: 'u32', tokens: 'u32', sink: 'u32', window: 'u32', firstResult: 'u32', share: 'f32' },
    constants: ['threads'],
  }),
};

export async function prepareTrainRecall(gpu: Gpu, variant?: RowVariant): Promise<TrainRecall> {
  const [levels, recall] = await Promise.all([
    prepareKernel(gpu, definitions.levels),
    prepareKernel(gpu, definitions.recall, { threads: rowThreads(gpu, variant) }),
  ]);
  return {
    levels: (arena, { label, values, out, rows, bits, queryBits }) => {
      expectBytes(`${label}: values`, values, 4 * rows * bits);
      expectBytes(`${label}: out`, out, 4 * rows * bits);
      return levels.dispatch(arena, {
        label,
        bindings: { values, out },
        uniforms: { rows, bits, queryBits },
        workgroups: [Math.ceil(rows / 64)],
        bytes: 8 * rows * bits,
      });
    },
    recall: (arena, args) => {
      const { label, positions, targets, scores, results, lists, rows, tokens } = args;
      const { sink, window, firstResult, share } = args;
      expectBytes(`${label}: targets`, targets, 4 * lists * rows * tokens);
      expectBytes(`${label}: scores`, scores, 4 * lists * rows * tokens);
      expectBytes(`${label}: results`, results, 16 * (firstResult + lists * rows));
      return recall.dispatch(arena, {
        label,
        bindings: { positions, targets, scores, results },
        uniforms: { rows, tokens, sink, window, firstResult, share },
        workgroups: [rows, lists],
        bytes: 8 * lists * rows * tokens,
      });
    },
  };
}
