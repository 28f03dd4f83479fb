/** Keys and values of every token in the context, and the only owner of how many there are.
 *
 *  Per layer K and V each: packed f16 [kvHeads, capacity, headDim]. Capacity doubles on demand up to the planned
 *  context; growing copies on the GPU, one layer at a time, so that only one layer is held twice. */
import { invariant } from '../../errors.ts';
import { bufferUsage } from '../../kernels/runtime/arena.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { Tensor } from '../../kernels/runtime/tensor.ts';
import { allocating } from '../memory/allocating.ts';

export interface KvCacheShape {
  readonly layers: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Most tokens the cache may ever hold. */
  readonly plannedContext: number;
}

export interface LayerCache {
  readonly key: Tensor;
  readonly value: Tensor;
}

const firstCapacity = 1024;

/** Bytes of one token's key and value, per KV head. */
export function rowBytes(headDim: number): number {
  return 2 * 2 * headDim;
}

export class KvCache {
  readonly #gpu: Gpu;
  readonly #shape: KvCacheShape;
  #layers: LayerCache[] = [];
  #capacity = 0;
  #tokens: number[] = [];

  private constructor(gpu: Gpu, shape: KvCacheShape) {
    this.#gpu = gpu;
    this.#shape = shape;
  }

  /** @throws AppError "out-of-memory" when the first capacity does not fit. */
  static async create(gpu: Gpu, shape: KvCacheShape): Promise<KvCache> {
    const cache = new KvCache(gpu, shape);
    await cache.ensureCapacity(1);
    return cache;
  }

  get capacity(): number {
    return this.#capacity;
  }

  get length(): number {
    return this.#tokens.length;
  }

  /** Ids of the tokens whose keys and values are valid, from position 0. */
  get tokens(): readonly number[] {
    return this.#tokens;
  }

  get byteLength(): number {
    return 2 * this.#shape.layers * this.#bytesPerSide(this.#capacity);
  }

  layer(index: number): LayerCache {
    const layer = this.#layers[index];
    invariant(layer, `KV cache has ${this.#layers.length} layers, asked for ${index}`);
    return layer;
  }

  /** Tokens at the start of `prompt` that are already here. */
  commonPrefix(prompt: readonly number[]): number {
    let length = 0;
    while (
      length < prompt.length &&
      length < this.#tokens.length &&
      prompt[length] === this.#tokens[length]
    ) {
      length++;
    }
    return length;
  }

  /** Forgets everything from `length` on. */
  truncate(length: number): void {
    this.#tokens.length = Math.min(length, this.#tokens.length);
  }

  /** Records that the keys and values of these tokens have been computed, following what is here. */
  append(tokens: readonly number[]): void {
    for (const token of tokens) this.#tokens.push(token);
    invariant(
      this.#tokens.length <= this.#capacity,
      `KV cache holds ${this.#capacity} tokens, got ${this.#tokens.length}`,
    );
  }

  /** Makes room for `tokens` in all. Returns whether buffers were replaced (dispatch lists are then stale).
   *  @throws AppError "out-of-memory"; the cache is then empty, and its buffers gone. */
  async ensureCapacity(tokens: number): Promise<boolean> {
    const { plannedContext } = this.#shape;
    invariant(tokens <= plannedContext, `planned context is ${plannedContext} tokens, asked for ${tokens}`);
    if (tokens <= this.#capacity) return false;
    let capacity = Math.max(this.#capacity, Math.min(firstCapacity, plannedContext));
    while (capacity < tokens) capacity = Math.min(capacity * 2, plannedContext);
    try {
      for (let index = 0; index < this.#shape.layers; index++) {
        this.#layers[index] = await this.#grownLayer(index, capacity);
      }
    } catch (error) {
      this.dispose(); // some layers have grown and some have not: start anew, with what fits
      throw error;
    }
    this.#capacity = capacity;
    return true;
  }

  async #grownLayer(index: number, capacity: number): Promise<LayerCache> {
    const old = this.#layers[index];
    const what = `KV cache of layer ${index} for ${capacity} tokens`;
    const bytes = this.#bytesPerSide(capacity);
    const [key, value] = await allocating(this.#gpu, what, 2 * bytes, () => [
      this.#side(`layer[${index}].keyCache`, capacity),
      this.#side(`layer[${index}].valueCache`, capacity),
    ]);
    invariant(key && value, 'both sides are allocated');
    if (old) {
      this.#copy(old.key, key, capacity);
      this.#copy(old.value, value, capacity);
      old.key.buffer.destroy();
      old.value.buffer.destroy();
    }
    return { key, value };
  }

  #side(label: string, capacity: number): Tensor {
    const { kvHeads, headDim } = this.#shape;
    const usage = bufferUsage.storage | bufferUsage.copySrc | bufferUsage.copyDst;
    const buffer = this.#gpu.device.createBuffer({ label, size: this.#bytesPerSide(capacity), usage });
    return { buffer, label, dtype: 'f16-packed', shape: [kvHeads, capacity, headDim] };
  }

  #copy(from: Tensor, to: Tensor, capacity: number): void {
    const { kvHeads, headDim } = this.#shape;
    const headBytes = this.#capacity * headDim * 2;
    const encoder = this.#gpu.device.createCommandEncoder();
    for (let head = 0; head < kvHeads; head++) {
      encoder.copyBufferToBuffer(
        from.buffer,
        head * headBytes,
        to.buffer,
        head * capacity * headDim * 2,
        headBytes,
      );
    }
    this.#gpu.device.queue.submit([encoder.finish()]);
  }

  #bytesPerSide(capacity: number): number {
    return this.#shape.kvHeads * capacity * this.#shape.headDim * 2;
  }

  dispose(): void {
    for (const layer of this.#layers) {
      layer.key.buffer.destroy();
      layer.value.buffer.destroy();
    }
    this.#layers = [];
    this.#tokens = [];
    this.#capacity = 0;
  }
}
