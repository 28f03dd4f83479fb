/** Signatures of the cached keys, kept beside the cache. */
import { prepareHashKeys } from '../../kernels/hash-keys/hash-keys.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { GpuHashMaps } from '../load/gpu-hash-maps.ts';
import type { Derived } from './derived-caches.ts';

/** u32 [heads with a key map, capacity, words]. */
export async function derivedSignatures(gpu: Gpu, config: ModelConfig, maps: GpuHashMaps): Promise<Derived> {
  const hashKeys = await prepareHashKeys(gpu, { width: maps.width });
  const { kvHeads, headDim } = config;
  const heads = signatureHeads(config, maps);
  return {
    name: 'signatures',
    dtype: 'u32',
    shape: (capacity) => [heads, capacity, maps.bits / 32],
    tokensPerEntry: 1,
    make: (arena, { label, layer, step, rows, cache, capacity, out }) =>
      hashKeys(arena, {
        ...{ label, step, rows, kvHeads, headDim, capacity },
        ...{ keyCache: cache.key, keyMap: maps.layers[layer]!.key, signatures: out },
      }),
  };
}

/** Heads with signatures of their own. */
export function signatureHeads(
  { kvHeads, qHeads }: Pick<ModelConfig, 'kvHeads' | 'qHeads'>,
  { sharing }: Pick<GpuHashMaps, 'sharing'>,
): number {
  return sharing === 'kv-head' ? kvHeads : qHeads;
}
