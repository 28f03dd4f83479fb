/** Signature maps for a model that comes without: random projections, centred on the first keys seen. */
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import { concatenate } from '../../kernels/shared/concatenate.ts';
import { packSignatureMap } from '../../kernels/shared/signature-map.ts';
import type { ModelConfig } from '../../model/config.ts';
import { centringBias, randomProjection } from '../../model/random-projection.ts';
import { allocateHashMaps, type GpuHashMaps, type HashMapsShape } from './gpu-hash-maps.ts';

/** Tokens whose mean key centres the key maps. */
export const centringTokens = 128;

export interface UntrainedHashMaps extends GpuHashMaps {
  /** Sets a layer's key biases from the mean of its first `centringTokens` cached keys, [kvHeads, headDim]. Signatures
   *  made before differ from those made after, so it is called once, before the first. */
  centre(layer: number, meanKeys: Float32Array): void;
}

type Shape = Pick<ModelConfig, 'layers' | 'qHeads' | 'kvHeads' | 'headDim'>;

/** One linear map per head. */
export function untrainedShape({ layers, qHeads, kvHeads, headDim }: Shape, bits: 32 | 64): HashMapsShape {
  const widths = [headDim, bits];
  const layer = { query: { heads: qHeads, widths }, key: { heads: kvHeads, widths } };
  return { bits, sharing: 'kv-head', layers: Array.from({ length: layers }, () => layer) };
}

/** One linear map per KV head; its query heads share it. Biases are zero until `centre`. */
export async function createUntrainedHashMaps(
  gpu: Gpu,
  config: Shape,
  { bits, seed }: { readonly bits: 32 | 64; readonly seed: number },
): Promise<UntrainedHashMaps> {
  const { qHeads, kvHeads, headDim } = config;
  const maps = await allocateHashMaps(gpu, untrainedShape(config, bits));
  const projection = (layer: number, kvHead: number) =>
    randomProjection(seed, { layer, kvHead }, { bits, headDim });

  const { queue } = gpu.device;
  const zeros = new Float32Array(bits);
  maps.layers.forEach(({ query, key }, layer) => {
    const heads = Array.from({ length: kvHeads }, (_, kvHead) => {
      const stage = { inputs: headDim, outputs: bits, weight: projection(layer, kvHead), bias: zeros };
      return packSignatureMap(1, [stage]).weights;
    });
    const ofQueries = Array.from(
      { length: qHeads },
      (_, head) => heads[Math.floor((head * kvHeads) / qHeads)]!,
    );
    queue.writeBuffer(key.weights.buffer, 0, concatenate(Uint32Array, heads));
    queue.writeBuffer(query.weights.buffer, 0, concatenate(Uint32Array, ofQueries));
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
