/** The tail proxy for many rows: what a row did not attend to enters its softmax as one token. Two dispatches after
 *  attend-masked: sums of the other tokens' keys and values, then their share; see the WGSL files. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import budgetSource from '../shared/budget.wgsl?raw';
import stepSource from '../shared/step.wgsl?raw';
import addSource from './add-tail-rows.wgsl?raw';
import sumsSource from './tail-sums-rows.wgsl?raw';

export interface TailRowsArgs {
  readonly label: string;
  /** Uniform `Step`: row r is the query at step.position + r. */
  readonly step: BufferSlice;
  /** Uniform `Budget`: how many tokens each row attends to. */
  readonly budget: BufferSlice;
  /** u32 [lists, rows, ⌈capacity / 32⌉]: the tokens attended to. */
  readonly mask: BufferSlice;
  /** Packed f16 [kvHeads, capacity, headDim] */
  readonly keys: BufferSlice;
  readonly values: BufferSlice;
  /** f32 [rows, qHeads, headDim] */
  readonly query: BufferSlice;
  /** f32 of `tailSumsShape`: passes from one dispatch to the other. */
  readonly sums: BufferSlice;
  /** f32 [rows, qHeads]: of attend-masked. */
  readonly scales: BufferSlice;
  /** f32 [rows, qHeads, headDim]: attention over the mask, then with the tail. */
  readonly out: BufferSlice;
  readonly rows: number;
  readonly lists: number;
  readonly qHeads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly capacity: number;
}

export type TailRows = (arena: Arena, args: TailRowsArgs) => Dispatch[];

export function tailSumsShape(lists: number, rows: number, headDim: number): readonly number[] {
  return [lists, rows, 2, headDim];
}

export const tailRowsKernels = {
  sums: defineKernel({
    name: 'tail-rows-sums',
    sources: [stepSource, sumsSource],
    bindings: { step: 'uniform', mask: 'read', keys: 'read', values: 'read', sums: 'write' },
    uniforms: { maskRows: 'u32', maskWords: 'u32', listsPerKvHead: 'u32', headDim: 'u32', capacity: 'u32' },
  }),
  add: defineKernel({
    name: 'tail-rows-add',
    sources: [stepSource, budgetSource, addSource],
    bindings: {
      step: 'uniform',
      budget: 'uniform',
      query: 'read',
      sums: 'read',
      scales: 'read',
      out: 'write',
    },
    uniforms: { maskRows: 'u32', headsPerList: 'u32', qHeads: 'u32', headDim: 'u32', scale: 'f32' },
  }),
};

export async function prepareTailRows(gpu: Gpu): Promise<TailRows> {
  const [sums, add] = await Promise.all([
    prepareKernel(gpu, tailRowsKernels.sums),
    prepareKernel(gpu, tailRowsKernels.add),
  ]);
  return (arena, args) => {
    const { label, rows, lists, qHeads, kvHeads, headDim, capacity } = args;
    const maskWords = Math.ceil(capacity / 32);
    const sumBytes = lists * rows * 2 * headDim * 4;
    invariant(headDim % 2 === 0 && lists % kvHeads === 0, `${label}: ${lists} lists of head size ${headDim}`);
    expectBytes(`${label}: mask`, args.mask, lists * rows * maskWords * 4);
    expectBytes(`${label}: sums`, args.sums, sumBytes);
    return [
      sums.dispatch(arena, {
        label: `${label}.sums`,
        bindings: args,
        uniforms: { maskRows: rows, maskWords, listsPerKvHead: lists / kvHeads, headDim, capacity },
        workgroups: [Math.ceil(rows / 4), lists, Math.ceil(headDim / 64)],
        bytes: sumBytes,
      }),
      add.dispatch(arena, {
        label,
        bindings: args,
        uniforms: {
          maskRows: rows,
          headsPerList: qHeads / lists,
          qHeads,
          headDim,
          scale: Math.LOG2E / Math.sqrt(headDim),
        },
        workgroups: [Math.ceil(rows / 64), qHeads],
        bytes: sumBytes + rows * qHeads * headDim * 8,
      }),
    ];
  };
}
