/** Layers of attention that nobody filled, of a model's shapes: to time steps on. */
import type { Arena } from '../../kernels/runtime/arena.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { Tensor } from '../../kernels/runtime/tensor.ts';
import type { ModelConfig } from '../../model/config.ts';
import { allocateHashMaps, type GpuHashMaps, type HashMapsShape } from '../load/gpu-hash-maps.ts';
import { allocating } from '../memory/allocating.ts';
import { type LayerCache, rowBytes } from '../network/kv-cache.ts';
import type { CachedLayers } from './derived-caches.ts';

/** Layers of a cache that lie one after another in the same buffers. */
export interface SyntheticLayers extends CachedLayers {
  readonly count: number;
}

/** Capacities are multiples of this, so that a binding may begin where a layer does. */
const capacityUnit = 128;

/** The least capacity that holds so many tokens. */
export function capacityFor(tokens: number): number {
  return Math.ceil(tokens / capacityUnit) * capacityUnit;
}

/** Keys and values of `tokens` tokens, all zero: what they are changes no time.
 *  @throws AppError "out-of-memory". */
export async function syntheticRows(
  arena: Arena,
  { kvHeads, headDim }: ModelConfig,
  tokens: number,
): Promise<LayerCache> {
  const rows = capacityFor(tokens);
  const bytes = kvHeads * rows * rowBytes(headDim);
  const shape = [kvHeads, rows, headDim];
  return allocating(arena.gpu, 'a cache to time attention on', bytes, () => ({
    key: arena.tensor('crossover.key', 'f16-packed', shape),
    value: arena.tensor('crossover.value', 'f16-packed', shape),
  }));
}

/** As many layers of `capacity` tokens as the rows have room for, `most` at most. */
export function layersOf(
  rows: LayerCache,
  { kvHeads, headDim }: ModelConfig,
  capacity: number,
  most: number,
): SyntheticLayers {
  const shape = [kvHeads, capacity, headDim];
  const size = kvHeads * capacity * headDim * 2;
  const count = Math.min(most, Math.floor(rows.key.buffer.size / size));
  const part = ({ buffer, label, dtype }: Tensor, index: number): Tensor => ({
    ...{ buffer, label, dtype, shape, offset: index * size, size },
  });
  return {
    count,
    capacity,
    layer: (index) => ({ key: part(rows.key, index), value: part(rows.value, index) }),
  };
}

/** Maps of these shapes that give every query numbers of its own: weights of zero, biases from −1 to 1.
 *  @throws AppError "out-of-memory". */
export async function syntheticMaps(gpu: Gpu, shape: HashMapsShape): Promise<GpuHashMaps> {
  const maps = await allocateHashMaps(gpu, shape);
  const biases = Float32Array.from(randomWords(2 ** 12), (word) => word / 2 ** 31 - 1);
  for (const { query, key } of maps.layers) {
    fillOver(gpu, query.biases, biases);
    fillOver(gpu, key.biases, biases);
  }
  return maps;
}

/** The values over and over. */
export function fillOver(
  gpu: Gpu,
  { buffer }: Tensor,
  values: Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>,
): void {
  for (let at = 0; at < buffer.size; at += values.byteLength) {
    gpu.device.queue.writeBuffer(buffer, at, values, 0, Math.min(values.length, (buffer.size - at) / 4));
  }
}

/** Words that differ (xorshift: Marsaglia 2003). */
export function randomWords(count: number): Uint32Array<ArrayBuffer> {
  let state = 0x9e3779b9;
  return Uint32Array.from({ length: count }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  });
}
