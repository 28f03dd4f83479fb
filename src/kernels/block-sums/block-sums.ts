/** Sums of keys and values per block of tokens, afresh from the cache: after a prefill, when the cache was cut back, or
 *  on a switch to attention that needs them. See block-sums.wgsl. */
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu } from '../runtime/gpu.ts';
import { type BufferSlice, byteLengthOf } from '../runtime/tensor.ts';
import stepSource from '../shared/step.wgsl?raw';
import { blockSumsShape, blockTokens } from '../shared/token-blocks.ts';
import blocksSource from '../shared/token-blocks.wgsl?raw';
import source from './block-sums.wgsl?raw';

export interface BlockSumsArgs {
  readonly label: string;
  /** Uniform `Step`: every block with a token in position … position + rows − 1 is summed, up to the last of these. */
  readonly step: BufferSlice;
  /** Packed f16 [kvHeads, capacity, headDim]. */
  readonly keyCache: BufferSlice;
  readonly valueCache: BufferSlice;
  /** f32 of `blockSumsShape`; blocks that are not touched keep what they hold. */
  readonly blockSums: BufferSlice;
  /** The most that step.rows will say. */
  readonly rows: number;
  readonly kvHeads: number;
  /** Even. */
  readonly headDim: number;
  readonly capacity: number;
}

export type BlockSums = (arena: Arena, args: BlockSumsArgs) => Dispatch;

export const blockSumsKernel = defineKernel({
  name: 'block-sums',
  sources: [stepSource, blocksSource, source],
  bindings: { step: 'uniform', keyCache: 'read', valueCache: 'read', blockSums: 'write' },
  uniforms: { capacity: 'u32', blocks: 'u32', headDim: 'u32' },
});

export async function prepareBlockSums(gpu: Gpu): Promise<BlockSums> {
  const kernel = await prepareKernel(gpu, blockSumsKernel);
  return (arena, args) => {
    const { label, rows, kvHeads, headDim, capacity } = args;
    const sumsShape = blockSumsShape(kvHeads, capacity, headDim);
    const cacheBytes = kvHeads * capacity * headDim * 2;
    expectBytes(`${label}: keyCache`, args.keyCache, cacheBytes);
    expectBytes(`${label}: valueCache`, args.valueCache, cacheBytes);
    expectBytes(`${label}: blockSums`, args.blockSums, byteLengthOf('f32', sumsShape));
    return kernel.dispatch(arena, {
      label,
      bindings: args,
      uniforms: { capacity, blocks: sumsShape[1]!, headDim },
      // Rows that start anywhere in a block touch one block more.
      workgroups: [Math.ceil((rows - 1) / blockTokens) + 1, kvHeads, Math.ceil(headDim / 64)],
      bytes: 2 * rows * kvHeads * headDim * 2,
    });
  };
}
