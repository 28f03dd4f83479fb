/** What HashAttention keeps beside the KV cache, per layer: signatures of the keys and sums of keys and values per block
 *  of tokens. Both follow from the cache, so whatever is missing is made from it in bulk. */
import type { BlockSums } from '../../kernels/block-sums/block-sums.ts';
import type { HashKeys } from '../../kernels/hash-keys/hash-keys.ts';
import { Arena } from '../../kernels/runtime/arena.ts';
import { type Dispatch, submitDispatches } from '../../kernels/runtime/dispatch.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { Tensor } from '../../kernels/runtime/tensor.ts';
import { blockSumsShape, blockTokens } from '../../kernels/shared/token-blocks.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { GpuHashMaps } from '../load/gpu-hash-maps.ts';
import { allocating } from '../memory/allocating.ts';
import type { KvCache } from '../network/kv-cache.ts';

/** Tokens hashed by one dispatch. */
const rowsAtOnce = 4096;

export interface HashCacheParts {
  readonly gpu: Gpu;
  readonly config: ModelConfig;
  readonly maps: GpuHashMaps;
  readonly cache: KvCache;
  readonly hashKeys: HashKeys;
  readonly blockSums: BlockSums;
  readonly layers: readonly number[];
}

export interface HashedLayer {
  /** u32 [heads with maps, capacity, words]. */
  readonly signatures: Tensor;
  /** f32 of `blockSumsShape`. */
  readonly blockSums: Tensor;
}

export class HashCache {
  readonly #parts: HashCacheParts;
  readonly #arena: Arena;
  readonly #layers = new Map<number, HashedLayer>();
  /** Tokens from position 0 on whose signatures, and whose sums, are right. */
  #hashed = 0;
  #summed = 0;

  private constructor(parts: HashCacheParts) {
    this.#parts = parts;
    this.#arena = new Arena(parts.gpu);
  }

  /** For the KV cache's present capacity; when that grows, another one is made.
   *  @throws AppError "out-of-memory". */
  static async create(parts: HashCacheParts): Promise<HashCache> {
    const made = new HashCache(parts);
    const { config, maps, cache, layers } = parts;
    const heads = maps.sharing === 'kv-head' ? config.kvHeads : config.qHeads;
    const { capacity } = cache;
    const sumsShape = blockSumsShape(config.kvHeads, capacity, config.headDim);
    const bytes =
      layers.length * 4 * (heads * capacity * (maps.bits / 32) + sumsShape.reduce((a, b) => a * b));
    await allocating(parts.gpu, `signatures of ${capacity} tokens`, bytes, () => {
      for (const index of layers) {
        made.#layers.set(index, {
          signatures: made.#arena.tensor(`hash[${index}].signatures`, 'u32', [
            heads,
            capacity,
            maps.bits / 32,
          ]),
          blockSums: made.#arena.tensor(`hash[${index}].blockSums`, 'f32', sumsShape),
        });
      }
    });
    return made;
  }

  get byteLength(): number {
    return this.#arena.byteLength;
  }

  layer(index: number): HashedLayer {
    return this.#layers.get(index)!;
  }

  /** Hashes and sums what is missing before `tokens`; dispatches already submitted may still be writing those. */
  catchUp(tokens: number): void {
    const arena = new Arena(this.#parts.gpu);
    for (let from = this.#hashed; from < tokens; from += rowsAtOnce) {
      this.#submit(arena, from, Math.min(rowsAtOnce, tokens - from), 'signatures');
    }
    for (let from = this.#summed; from < tokens; from += rowsAtOnce) {
      this.#submit(arena, from, Math.min(rowsAtOnce, tokens - from), 'sums');
    }
    arena.dispose();
    this.#hashed = Math.max(this.#hashed, tokens);
    this.#summed = Math.max(this.#summed, tokens);
  }

  /** Steps up to this many tokens have been submitted: they hash and sum their own. */
  advance(tokens: number): void {
    this.#hashed = tokens;
    this.#summed = tokens;
  }

  /** The cache was cut back to `tokens`, and steps beyond may have added to the sums of its last block. */
  truncate(tokens: number): void {
    this.#hashed = Math.min(this.#hashed, tokens);
    this.#summed = Math.min(this.#summed, Math.floor(tokens / blockTokens) * blockTokens);
  }

  #submit(arena: Arena, position: number, rows: number, what: 'signatures' | 'sums'): void {
    const { gpu, config, maps, cache, hashKeys, blockSums, layers } = this.#parts;
    const step = { buffer: arena.uniform('hash.step', Uint32Array.of(position, rows, 0, 0).buffer) };
    const { kvHeads, headDim } = config;
    const dispatches = layers.map((index): Dispatch => {
      const { key, value } = cache.layer(index);
      const own = this.layer(index);
      const common = { step, rows, kvHeads, headDim, capacity: cache.capacity, keyCache: key };
      const label = `hash[${index}].${what}`;
      return what === 'signatures'
        ? hashKeys(arena, { ...common, label, keyMap: maps.layers[index]!.key, signatures: own.signatures })
        : blockSums(arena, { ...common, label, valueCache: value, blockSums: own.blockSums });
    });
    submitDispatches(gpu, dispatches);
  }

  dispose(): void {
    this.#arena.dispose();
  }
}
