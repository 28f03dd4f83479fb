/** What evaluations share while the cache keeps its capacity: scratch by number of lists, signatures by maps. */
import { Arena } from '../../kernels/runtime/arena.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import { type Derived, DerivedCaches } from '../attention/derived-caches.ts';
import { derivedSignatures } from '../attention/signatures.ts';
import type { GpuHashMaps } from '../load/gpu-hash-maps.ts';
import { allocating } from '../memory/allocating.ts';
import type { Network } from '../network/network.ts';
import { createRowScratch, type RowScratch } from './row-attention.ts';

/** Signatures of every cached key under some maps. */
export interface KeptSignatures {
  readonly derived: Derived;
  readonly caches: DerivedCaches;
}

export class RowResources {
  readonly #gpu: Gpu;
  readonly #network: Network;
  readonly #rows: number;
  readonly #arena: Arena;
  readonly #scratch = new Map<string, RowScratch>();
  readonly #signatures = new Map<GpuHashMaps, KeptSignatures>();
  readonly capacity: number;

  /** For the cache's present capacity. */
  constructor(gpu: Gpu, network: Network, rows: number) {
    this.#gpu = gpu;
    this.#network = network;
    this.#rows = rows;
    this.#arena = new Arena(gpu);
    this.capacity = network.cache.capacity;
  }

  /** @throws AppError "out-of-memory". */
  async scratch(lists: number, hasMass: boolean): Promise<RowScratch> {
    const key = `${lists} ${hasMass}`;
    const known = this.#scratch.get(key);
    if (known) return known;
    const size = { rows: this.#rows, lists, capacity: this.capacity, hasMass };
    const bytes = this.#rows * lists * this.capacity * (hasMass ? 4.25 : 0.25);
    const made = await allocating(this.#gpu, 'scratch for evaluation', bytes, () =>
      createRowScratch(this.#arena, this.#network.config, size),
    );
    this.#scratch.set(key, made);
    return made;
  }

  async signatures(maps: GpuHashMaps): Promise<KeptSignatures> {
    const known = this.#signatures.get(maps);
    if (known) return known;
    const { config, cache } = this.#network;
    const derived = await derivedSignatures(this.#gpu, config, maps);
    const caches = new DerivedCaches(this.#gpu, cache, [...maps.layers.keys()], [derived]);
    this.#signatures.set(maps, { derived, caches });
    return { derived, caches };
  }

  /** The cached tokens from `tokens` on are others than before. */
  truncate(tokens: number): void {
    for (const { caches } of this.#signatures.values()) caches.truncate(tokens);
  }

  dispose(): void {
    for (const { caches } of this.#signatures.values()) caches.dispose();
    this.#arena.dispose();
  }
}
