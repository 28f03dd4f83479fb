/** Attention to a few of the tokens, for one set of options: a policy and what it keeps beside the KV cache. */
import type { Arena } from '../../kernels/runtime/arena.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { AttentionPolicy } from './attention-policy.ts';
import { type CachedLayers, type Derived, DerivedCaches } from './derived-caches.ts';
import { type SparseChoices, sparseLayers } from './sparse-choices.ts';

export interface SparseAttentionParts {
  readonly gpu: Gpu;
  readonly config: ModelConfig;
  readonly cache: CachedLayers;
  readonly choices: SparseChoices;
}

export abstract class SparseAttention {
  readonly choices: SparseChoices;
  protected readonly caches: DerivedCaches;

  /** @param derived what sparse layers keep beside the KV cache */
  constructor({ gpu, config, cache, choices }: SparseAttentionParts, derived: readonly Derived[]) {
    this.choices = choices;
    this.caches = new DerivedCaches(gpu, cache, sparseLayers(choices, config.layers), derived);
  }

  /** The policy of every layer that is not dense, after `catchUp`; the buffers its layers share live in `arena`. */
  abstract policy(arena: Arena): AttentionPolicy;

  /** GPU memory held, maps not included. */
  get byteLength(): number {
    return this.caches.byteLength;
  }

  /** Makes what is kept right for the first `tokens` cached tokens and the cache's present capacity. Returns whether
   *  buffers were replaced (dispatch lists are then stale).
   *  @throws AppError "out-of-memory". */
  catchUp(tokens: number): Promise<boolean> {
    return this.caches.catchUp(tokens);
  }

  /** Steps up to this many tokens have been submitted. */
  advance(tokens: number): void {
    this.caches.advance(tokens);
  }

  /** The cache was cut back to this many tokens. */
  truncate(tokens: number): void {
    this.caches.truncate(tokens);
  }

  /** As `DerivedCaches.keepAside`. */
  keepAside(arena: Arena, position: number): () => void {
    return this.caches.keepAside(arena, position);
  }

  dispose(): void {
    this.caches.dispose();
  }
}
