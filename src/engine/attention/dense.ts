/** Attention over every token in the cache. */
import type { Attend } from '../../kernels/attend/attend.ts';
import type { Tensor } from '../../kernels/runtime/tensor.ts';
import { rowBytes } from '../network/kv-cache.ts';
import type { AttentionPolicy } from './attention-policy.ts';

export interface DenseOptions {
  readonly attend: Attend;
  /** Scratch for the splits' partial results, shared by all layers. */
  readonly partials: Tensor;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly splits: number;
}

export function denseAttention({
  attend,
  partials,
  kvHeads,
  headDim,
  splits,
}: DenseOptions): AttentionPolicy {
  return {
    name: 'dense',
    isScattered: false,
    attend: (arena, { index, step, query, cache, capacity, attended }) => [
      attend.split(arena, {
        label: `layer[${index}].attention.split`,
        step,
        query,
        keyCache: cache.key,
        valueCache: cache.value,
        partials,
        kvHeads,
        capacity,
        splits,
      }),
      attend.merge(arena, { label: `layer[${index}].attention`, partials, out: attended, kvHeads, splits }),
    ],
    attendedTokens: (contextTokens) => contextTokens,
    attendedSet: () => ({ sinkEnd: 0, windowStart: 0, selected: 0 }),
    bytesRead: (contextTokens) => contextTokens * kvHeads * rowBytes(headDim),
  };
}
