/** Signature maps for a model that comes without: random projections, centred on the first keys seen. */
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import { concatenate } from '../../kernels/shared/concatenate.ts';
import { packSignatureMap } from '../../kernels/shared/signature-map.ts';
import type { ModelConfig } from '../../model/config.ts';
import { centringBias, randomProjection } from '../../model/random-projection.ts';
import { allocateHashMaps, type GpuHashMaps } from './gpu-hash-maps.ts';

/** Tokens whose mean key centres the key maps. */
export const centringTokens = 128;

export interface UntrainedHashMaps extends GpuHashMaps {
  /** Sets a layer's key biases from the mean of its first `centringTokens` cached keys, [kvHeads, headDim]. Signatures
   *  made before differ from those made after, so it is called once, before the first. */
  centre(layer: number, meanKeys: Float32Array): void;
}

/** One linear map per KV head; its query heads share it. Biases are zero until `centre`. */
export async function createUntrainedHashMaps(
  gpu: Gpu,
  config: Pick<ModelConfig, 'layers' | 'qHeads' | 'kvHeads' | 'headDim'>,
  { bits, seed }: { readonly bits: 32 | 64; readonly seed: number },
): Promise<UntrainedHashMaps> {
  const { qHeads, kvHeads, headDim } = config;
  const widths = [headDim, bits];
  const shape = { query: { heads: qHeads, widths }, key: { heads: kvHeads, widths } };
  const facts = { bits, sharing: 'kv-head' } as const;
  const maps = await allocateHashMaps(gpu, facts, new Array(config.layers).fill(shape));
  const projection = (layer: number, kvHead: number) =>
    randomProjection(seed, { layer, kvHead }, { bits, headDim });

  const { queue } = gpu.device;
  maps.layers.forEach(({ query, key }, layer) => {
    for (const map of [query, key]) {
      const matrices = Array.from({ length: map.heads }, (_, head) =>
        projection(layer, Math.floor((head * kvHeads) / map.heads)),
      );
      const weight = concatenate(Float32Array, matrices);
      const bias = new Float32Array(map.heads * bits);
      const packed = packSignatureMap(map.heads, [{ inputs: headDim, outputs: bits, weight, bias }]);
      queue.writeBuffer(map.weights.buffer, 0, packed.weights);
    }
  });

  return {
    ...maps,
    centre(layer, meanKeys) {
      const biases = Array.from({ length: kvHeads }, (_, kvHead) =>
        centringBias(projection(layer, kvHead), meanKeys.subarray(kvHead * headDim, (kvHead + 1) * headDim)),
      );
      queue.writeBuffer(maps.layers[layer]!.key.biases.buffer, 0, concatenate(Float32Array, biases));
    },
  };
}
