/** The tail proxy for many rows: what a row did not attend to enters its softmax as one token. Dispatches after
 *  attend-masked: sums of the other tokens' keys and values, in parts where rows are few, then their share; see the WGSL
 *  files. */
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
import joinSource from './join-tail-rows.wgsl?raw';
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
  /** Rows that mask and sums have room for. */
  readonly rows: number;
  /** Most rows that step.rows will say. */
  readonly count: number;
  readonly lists: number;
  readonly qHeads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly capacity: number;
}

export type TailRows = (arena: Arena, args: TailRowsArgs) => Dispatch[];

/** More would not make a large device faster. */
const mostParts = 64;

export function tailSumsShape(lists: number, rows: number, headDim: number): readonly number[] {
  return [lists, rows, 2, headDim];
}

export const tailRowsKernels = {
  sums: defineKernel({
    name: 'tail-rows-sums',
    sources: [stepSource, sumsSource],
    bindings: { step: 'uniform', mask: 'read', keys: 'read', values: 'read', sums: 'write' },
    uniforms: {
      maskRows: 'u32',
      maskWords: 'u32',
      listsPerKvHead: 'u32',
      headDim: 'u32',
      capacity: 'u32',
      parts: 'u32',
    },
  }),
  join: defineKernel({
    name: 'tail-rows-join',
    sources: [stepSource, joinSource],
    bindings: { step: 'uniform', sums: 'write' },
    uniforms: { maskRows: 'u32', headDim: 'u32', parts: 'u32' },
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
    uniforms: {
      maskRows: 'u32',
      headsPerList: 'u32',
      qHeads: 'u32',
      headDim: 'u32',
      parts: 'u32',
      scale: 'f32',
    },
  }),
};

export async function prepareTailRows(gpu: Gpu): Promise<TailRows> {
  const [sums, join, add] = await Promise.all([
    prepareKernel(gpu, tailRowsKernels.sums),
    prepareKernel(gpu, tailRowsKernels.join),
    prepareKernel(gpu, tailRowsKernels.add),
  ]);
  return (arena, args) => {
    const { label, rows, count, lists, qHeads, kvHeads, headDim, capacity } = args;
    const maskWords = Math.ceil(capacity / 32);
    invariant(count <= rows, `${label}: ${count} rows, with room for ${rows}`);
    const parts = Math.min(mostParts, Math.floor(rows / count));
    const slices = Math.ceil(headDim / 64);
    const sumBytes = lists * rows * 2 * headDim * 4;
    invariant(headDim % 2 === 0 && lists % kvHeads === 0, `${label}: ${lists} lists of head size ${headDim}`);
    expectBytes(`${label}: mask`, args.mask, lists * rows * maskWords * 4);
    expectBytes(`${label}: sums`, args.sums, sumBytes);
    return [
      sums.dispatch(arena, {
        label: `${label}.sums`,
        bindings: args,
        uniforms: { maskRows: rows, maskWords, listsPerKvHead: lists / kvHeads, headDim, capacity, parts },
        workgroups: [Math.ceil(count / 4), lists, slices * parts],
        bytes: sumBytes,
      }),
      ...(parts === 1
        ? []
        : [
            join.dispatch(arena, {
              label: `${label}.join`,
              bindings: { step: args.step, sums: args.sums },
              uniforms: { maskRows: rows, headDim, parts },
              workgroups: [count, lists, slices],
              bytes: sumBytes,
            }),
          ]),
      add.dispatch(arena, {
        label,
        bindings: args,
        uniforms: {
          maskRows: rows,
          headsPerList: qHeads / lists,
          qHeads,
          headDim,
          parts,
          scale: Math.LOG2E / Math.sqrt(headDim),
        },
        workgroups: [Math.ceil(count / 64), qHeads],
        bytes: sumBytes + count * qHeads * headDim * 8,
      }),
    ];
  };
}
