/** A model's signature maps in GPU memory: one owner. */
import { AppError } from '../../errors.ts';
import { Arena } from '../../kernels/runtime/arena.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { Tensor } from '../../kernels/runtime/tensor.ts';
import { mapBiasBytes, mapWeightBytes, type SignatureMap } from '../../kernels/shared/signature-map.ts';
import { allocating } from '../memory/allocating.ts';

export interface GpuSignatureMap extends SignatureMap {
  readonly weights: Tensor;
  readonly biases: Tensor;
}

export interface HashMapPair {
  readonly query: GpuSignatureMap;
  readonly key: GpuSignatureMap;
}

export interface GpuHashMaps {
  /** Of a signature. */
  readonly bits: 32 | 64;
  /** Which heads have a key map of their own. */
  readonly sharing: 'kv-head' | 'query-head';
  readonly layers: readonly HashMapPair[];
  /** Widest input or output of any stage: what the hashing kernels are prepared for. */
  readonly width: number;
  /** Bytes of GPU memory held. */
  readonly byteLength: number;
  dispose(): void;
}

/** A map to be: `widths` of the input, then of every stage's output. */
export interface HashMapShape {
  readonly heads: number;
  readonly widths: readonly number[];
}

/** A model's maps to be. */
export interface HashMapsShape extends Pick<GpuHashMaps, 'bits' | 'sharing'> {
  readonly layers: readonly { readonly query: HashMapShape; readonly key: HashMapShape }[];
}

/** Buffers of zeros for every layer.
 *  @throws AppError "out-of-memory"; "limit-exceeded" where one map is larger than a binding may be. */
export async function allocateHashMaps(
  gpu: Gpu,
  { bits, sharing, layers: shapes }: HashMapsShape,
): Promise<GpuHashMaps> {
  const flat = shapes.flatMap(({ query, key }) => [query, key]);
  const weightBytes = flat.map(({ heads, widths }) => mapWeightBytes(heads, widths));
  const biasBytes = flat.map(({ heads, widths }) => mapBiasBytes(heads, widths));
  checkBinding(gpu, Math.max(...weightBytes));
  const byteLength = [...weightBytes, ...biasBytes].reduce((sum, bytes) => sum + bytes, 0);
  const arena = new Arena(gpu);
  const mapOf = (label: string, { heads, widths }: HashMapShape): GpuSignatureMap => {
    const weights = arena.tensor(`${label}.weights`, 'f16-packed', [mapWeightBytes(heads, widths) / 2]);
    const biases = arena.tensor(`${label}.biases`, 'f32', [mapBiasBytes(heads, widths) / 4]);
    return { heads, widths, weights, biases };
  };
  try {
    const layers = await allocating(gpu, 'signature maps', byteLength, () =>
      shapes.map(({ query, key }, layer) => ({
        query: mapOf(`hash[${layer}].query`, query),
        key: mapOf(`hash[${layer}].key`, key),
      })),
    );
    return {
      bits,
      sharing,
      layers,
      width: Math.max(...flat.flatMap(({ widths }) => widths)),
      byteLength: arena.byteLength,
      dispose: () => arena.dispose(),
    };
  } catch (error) {
    arena.dispose();
    throw error;
  }
}

function checkBinding(gpu: Gpu, byteLength: number): void {
  const limit = gpu.device.limits.maxStorageBufferBindingSize;
  if (byteLength <= limit) return;
  throw new AppError(
    'limit-exceeded',
    `One layer's signature maps take ${byteLength} bytes; this device binds ${limit} at most. Remove the maps, or use smaller ones.`,
    { details: { byteLength, limit } },
  );
}
