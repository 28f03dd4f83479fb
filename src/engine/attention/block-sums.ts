/** Sums of keys and values per block of tokens, kept beside the cache: what the tail of sparse attention needs. */
import { type BlockSums, prepareBlockSums } from '../../kernels/block-sums/block-sums.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import { blockSumsShape, blockTokens } from '../../kernels/shared/token-blocks.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { Derived } from './derived-caches.ts';

/** f32 of `blockSumsShape`. */
export async function derivedBlockSums(gpu: Gpu, config: ModelConfig): Promise<Derived> {
  const sum: BlockSums = await prepareBlockSums(gpu);
  const { kvHeads, headDim } = config;
  return {
    name: 'block sums',
    dtype: 'f32',
    shape: (capacity) => blockSumsShape(kvHeads, capacity, headDim),
    tokensPerEntry: blockTokens,
    make: (arena, { label, step, rows, cache, capacity, out }) =>
      sum(arena, {
        ...{ label, step, rows, kvHeads, headDim, capacity },
        ...{ keyCache: cache.key, valueCache: cache.value, blockSums: out },
      }),
  };
}
