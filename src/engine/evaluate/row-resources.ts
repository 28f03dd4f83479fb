/** What evaluations share while the cache keeps its capacity: scratch by number of lists, signatures by maps. */
import { Arena } from '../../kernels/runtime/arena.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { GpuHashMaps } from '../load/gpu-hash-maps.ts';
import { allocating } from '../memory/allocating.ts';
import type { Network } from '../network/network.ts';
import { createRowScratch, type RowScratch } from './row-attention.ts';
import type { RowKernels } from './row-kernels.ts';
import { RowSignatures } from './row-signatures.ts';

export class RowResources {
  readonly #gpu: Gpu;
  readonly #network: Network;
  readonly #kernels: RowKernels;
  readonly #rows: number;
  readonly #arena: Arena;
  readonly #scratch = new Map<string, RowScratch>();
  readonly #signatures = new Map<GpuHashMaps, RowSignatures>();
  readonly capacity: number;

  /** For the cache's present capacity. */
  constructor(gpu: Gpu, network: Network, kernels: RowKernels, rows: number) {
    this.#gpu = gpu;
    this.#network = network;
    this.#kernels = kernels;
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

  signatures(maps: GpuHashMaps): RowSignatures {
    const { config, cache } = this.#network;
    const known = this.#signatures.get(maps);
    const signatures = known ?? new RowSignatures(this.#gpu, config, cache, maps, this.#kernels.hashKeys);
    this.#signatures.set(maps, signatures);
    return signatures;
  }

  /** The cached tokens are others than before. */
  forgetKeys(): void {
    for (const signatures of this.#signatures.values()) signatures.forget();
  }

  dispose(): void {
    for (const signatures of this.#signatures.values()) signatures.dispose();
    this.#arena.dispose();
  }
}
