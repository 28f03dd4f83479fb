/** Opens sparse policies as they are wanted. Everything behind it is loaded when the first one is, as most pages start
 *  without. */
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { SparseAttentionOptions } from '../api.ts';
import type { KvCache } from '../network/kv-cache.ts';
import { HashAttention } from './hash-attention.ts';
import { hashChoices } from './hash-choices.ts';
import { ListedAttention } from './listed-attention.ts';
import { centreOnKeys, type ModelHashMaps } from './model-hash-maps.ts';
import { oracleSelector } from './oracle.ts';
import { randomSelector } from './random.ts';
import type { SparseAttention } from './sparse-attention.ts';
import { checkInteger, sparseChoices } from './sparse-choices.ts';
import { noSelector, type TokenSelector } from './token-selector.ts';

export interface SparseAttentionsParts {
  readonly gpu: Gpu;
  readonly config: ModelConfig;
  readonly cache: KvCache;
  /** Gives the signature maps when HashAttention is first wanted. */
  readonly openHashMaps: () => Promise<ModelHashMaps>;
}

/** A policy to be; options that choose the same have the same key. */
interface Choice {
  readonly key: string;
  readonly create: () => Promise<SparseAttention>;
}

/** Owns the maps, and the policy opened last with what it keeps beside the cache. */
export class SparseAttentions {
  readonly #parts: SparseAttentionsParts;
  #maps: ModelHashMaps | undefined;
  #isCentred = false;
  #opened: { readonly key: string; readonly attention: SparseAttention } | undefined;

  constructor(parts: SparseAttentionsParts) {
    this.#parts = parts;
  }

  get mapBytes(): number {
    return this.#maps?.maps.byteLength ?? 0;
  }

  /** The policy for these options: the one opened last where they choose the same.
   *  @throws AppError "invalid-request" for options that make no sense; what reading signature maps throws. */
  async open(options: SparseAttentionOptions): Promise<SparseAttention> {
    const { key, create } = await this.#choose(options);
    if (this.#opened?.key !== key) {
      const attention = await create();
      this.#opened?.attention.dispose();
      this.#opened = { key, attention };
    }
    return this.#opened.attention;
  }

  async #choose(options: SparseAttentionOptions): Promise<Choice> {
    const { gpu, config } = this.#parts;
    switch (options.mode) {
      case 'hash': {
        const { maps, facts } = await this.#centredMaps();
        const choices = hashChoices(options, facts, config.layers);
        const create = () => HashAttention.create({ ...this.#parts, maps, choices });
        return { key: JSON.stringify([options.mode, choices]), create };
      }
      case 'oracle':
        return this.#listed(options, () => oracleSelector(gpu, config));
      case 'random': {
        const seed = checkInteger('seed', options.seed ?? 0, 0, 2 ** 32 - 1);
        return this.#listed(options, () => randomSelector(gpu, config, seed), seed);
      }
      case 'streaming':
        return this.#listed(options, async () => noSelector);
      default:
        return options satisfies never;
    }
  }

  #listed(
    options: Exclude<SparseAttentionOptions, { readonly mode: 'hash' }>,
    openSelector: () => Promise<TokenSelector>,
    seed = 0,
  ): Choice {
    const choices = sparseChoices(options, this.#parts.config.layers);
    const name = options.mode;
    return {
      key: JSON.stringify([name, choices, seed]),
      create: async () =>
        ListedAttention.create({ ...this.#parts, name, choices, selector: await openSelector() }),
    };
  }

  /** Random maps are centred on the keys in the cache, which must not be empty then, before anything is hashed. */
  async #centredMaps(): Promise<ModelHashMaps> {
    const { gpu, config, cache } = this.#parts;
    this.#maps ??= await this.#parts.openHashMaps();
    const { untrained } = this.#maps;
    if (untrained && !this.#isCentred) {
      await centreOnKeys(gpu, config, untrained, cache, cache.length);
      this.#isCentred = true;
    }
    return this.#maps;
  }

  dispose(): void {
    this.#opened?.attention.dispose();
    this.#maps?.maps.dispose();
  }
}
