/** Sums of keys and values over all tokens up to each of many rows: what the tail of sparse attention is made of once the
 *  tokens attended to are taken off. See row-sums.wgsl. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import stepSource from '../shared/step.wgsl?raw';
import wordSource from './cached-words.wgsl?raw';
import rowSource from './row-sums.wgsl?raw';
import scanSource from './scan-blocks.wgsl?raw';
import blockSource from './sum-blocks.wgsl?raw';

export interface RowSumsArgs {
  readonly label: string;
  /** Uniform `Step`: row r is the token at step.position + r. */
  readonly step: BufferSlice;
  /** Packed f16 [kvHeads, capacity, headDim] */
  readonly keys: BufferSlice;
  readonly values: BufferSlice;
  /** f32 of `rowBlocksShape`: the sums of all blocks before each, up to the block after the last row's. */
  readonly blocksBefore: BufferSlice;
  /** f32 [kvHeads, room, 2, headDim]: key then value. */
  readonly sums: BufferSlice;
  /** Rows that sums has room for, and most that step.rows will say. */
  readonly room: number;
  readonly count: number;
  readonly kvHeads: number;
  /** Even. */
  readonly headDim: number;
  readonly capacity: number;
}

export type RowSums = (arena: Arena, args: RowSumsArgs) => Dispatch[];

/** Tokens of a block, and rows of a workgroup: as in the WGSL. */
const rowBlockTokens = 64;

export function rowBlocksShape(kvHeads: number, capacity: number, headDim: number): readonly number[] {
  return [kvHeads, Math.floor(capacity / rowBlockTokens) + 1, 2, headDim];
}

const caches = { step: 'uniform', keys: 'read', values: 'read' } as const;
const sizes = { capacity: 'u32', blocks: 'u32', headDim: 'u32' } as const;

export const rowSumsKernels = {
  blocks: defineKernel({
    name: 'row-sums-blocks',
    sources: [stepSource, wordSource, blockSource],
    bindings: { ...caches, blockSums: 'write' },
    uniforms: sizes,
  }),
  scan: defineKernel({
    name: 'row-sums-scan',
    sources: [stepSource, scanSource],
    bindings: { step: 'uniform', blockSums: 'write' },
    uniforms: { blocks: 'u32', headDim: 'u32' },
  }),
  rows: defineKernel({
    name: 'row-sums',
    sources: [stepSource, wordSource, rowSource],
    bindings: { ...caches, blocksBefore: 'read', sums: 'write' },
    uniforms: { ...sizes, room: 'u32' },
  }),
};

export async function prepareRowSums(gpu: Gpu): Promise<RowSums> {
  const [blockKernel, scanKernel, rowKernel] = await Promise.all([
    prepareKernel(gpu, rowSumsKernels.blocks),
    prepareKernel(gpu, rowSumsKernels.scan),
    prepareKernel(gpu, rowSumsKernels.rows),
  ]);
  return (arena, args) => {
    const { label, room, count, kvHeads, headDim, capacity } = args;
    const [, blocks] = rowBlocksShape(kvHeads, capacity, headDim);
    const sumBytes = kvHeads * room * 2 * headDim * 4;
    invariant(headDim % 2 === 0 && count <= room, `${label}: ${count} rows, room for ${room}`);
    expectBytes(`${label}: blocksBefore`, args.blocksBefore, kvHeads * blocks! * 2 * headDim * 4);
    expectBytes(`${label}: sums`, args.sums, sumBytes);
    const slices = Math.ceil(headDim / 64);
    const uniforms = { capacity, blocks: blocks!, headDim };
    const { step, keys, values, blocksBefore: blockSums } = args;
    return [
      blockKernel.dispatch(arena, {
        ...{ label: `${label}.blocks`, bindings: { step, keys, values, blockSums }, uniforms },
        workgroups: [blocks!, kvHeads, slices],
        bytes: kvHeads * capacity * headDim * 4,
      }),
      scanKernel.dispatch(arena, {
        ...{ label: `${label}.scan`, bindings: { step, blockSums }, uniforms: { blocks: blocks!, headDim } },
        workgroups: [kvHeads, slices],
        bytes: kvHeads * blocks! * headDim * 16,
      }),
      rowKernel.dispatch(arena, {
        ...{ label, bindings: args, uniforms: { ...uniforms, room } },
        workgroups: [Math.ceil(count / rowBlockTokens), kvHeads, slices],
        bytes: sumBytes,
      }),
    ];
  };
}
