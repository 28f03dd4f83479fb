/** Signatures of every cached key under some maps, for evaluation: those before the rows in bulk, the rows' own with
 *  them. */
import type { HashKeys } from '../../kernels/hash-keys/hash-keys.ts';
import { Arena } from '../../kernels/runtime/arena.ts';
import { type Dispatch, submitDispatches } from '../../kernels/runtime/dispatch.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { BufferSlice, Tensor } from '../../kernels/runtime/tensor.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { GpuHashMaps } from '../load/gpu-hash-maps.ts';
import type { KvCache } from '../network/kv-cache.ts';

/** Tokens hashed by one dispatch. */
const rowsAtOnce = 4096;

export class RowSignatures {
  readonly #gpu: Gpu;
  readonly #config: ModelConfig;
  readonly #cache: KvCache;
  readonly #maps: GpuHashMaps;
  readonly #hashKeys: HashKeys;
  readonly #arena: Arena;
  /** u32 [heads with maps, capacity, words], by layer. */
  readonly #layers: readonly Tensor[];
  readonly #capacity: number;
  #hashed = 0;

  /** For the cache's present capacity. */
  constructor(gpu: Gpu, config: ModelConfig, cache: KvCache, maps: GpuHashMaps, hashKeys: HashKeys) {
    this.#gpu = gpu;
    this.#config = config;
    this.#cache = cache;
    this.#maps = maps;
    this.#hashKeys = hashKeys;
    this.#arena = new Arena(gpu);
    this.#capacity = cache.capacity;
    const heads = maps.sharing === 'kv-head' ? config.kvHeads : config.qHeads;
    const shape = [heads, this.#capacity, maps.bits / 32];
    this.#layers = maps.layers.map((_, index) =>
      this.#arena.tensor(`rows[${index}].signatures`, 'u32', shape),
    );
  }

  layer(index: number): Tensor {
    return this.#layers[index]!;
  }

  /** The cached tokens are others than before. */
  forget(): void {
    this.#hashed = 0;
  }

  /** Hashes what is missing before `tokens`. */
  catchUp(tokens: number): void {
    const arena = new Arena(this.#gpu);
    for (let first = this.#hashed; first < tokens; first += rowsAtOnce) {
      const rows = Math.min(rowsAtOnce, tokens - first);
      const step = { buffer: arena.uniform('signatures.step', Uint32Array.of(first, rows, 0, 0).buffer) };
      submitDispatches(
        this.#gpu,
        this.#layers.map((_, index) => this.hash(arena, index, step, rows)),
      );
    }
    arena.dispose();
    this.#hashed = Math.max(this.#hashed, tokens);
  }

  /** Hashes the keys of the rows that `step` speaks of. */
  hash(arena: Arena, index: number, step: BufferSlice, rows: number): Dispatch {
    const { kvHeads, headDim } = this.#config;
    return this.#hashKeys(arena, {
      label: `layer[${index}].signatures`,
      keyMap: this.#maps.layers[index]!.key,
      keyCache: this.#cache.layer(index).key,
      signatures: this.#layers[index]!,
      ...{ step, rows, kvHeads, headDim, capacity: this.#capacity },
    });
  }

  dispose(): void {
    this.#arena.dispose();
  }
}
