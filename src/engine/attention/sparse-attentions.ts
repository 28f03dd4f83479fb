/** Opens sparse policies as they are wanted. Everything behind it is loaded when the first one is, as most pages start
 *  without. */
import { AppError } from '../../errors.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { AttentionFacts, HashAttentionOptions, SparseAttentionOptions } from '../api.ts';
import type { KvCache } from '../network/kv-cache.ts';
import type { CrossoverRecord } from './crossover-record.ts';
import { deviceCrossover } from './device-crossover.ts';
import { HashAttention, type HashAttentionParts } from './hash-attention.ts';
import { hashChoices } from './hash-choices.ts';
import { ListedAttention } from './listed-attention.ts';
import { centreOnKeys, type ModelHashMaps, type OpenedMaps } from './model-hash-maps.ts';
import { oracleSelector } from './oracle.ts';
import { randomSelector } from './random.ts';
import type { SparseAttention } from './sparse-attention.ts';
import { checkInteger, sparseChoices } from './sparse-choices.ts';
import { noSelector, type TokenSelector } from './token-selector.ts';

export interface SparseAttentionsParts {
  readonly gpu: Gpu;
  readonly config: ModelConfig;
  readonly cache: KvCache;
  /** Says what the signature maps are when HashAttention is first wanted. */
  readonly openHashMaps: () => Promise<OpenedMaps>;
  readonly plannedContext: number;
  /** Crossovers measured before, and those measured here. */
  readonly crossovers: CrossoverRecord;
}

/** A policy to be; options that choose the same have the same key. */
interface Choice {
  readonly key: string;
  readonly create: () => Promise<SparseAttention>;
}

/** Owns the maps, and the policy opened last with what it keeps beside the cache. */
export class SparseAttentions {
  readonly #parts: SparseAttentionsParts;
  #opening: Promise<OpenedMaps> | undefined;
  #loading: Promise<ModelHashMaps> | undefined;
  #maps: ModelHashMaps | undefined;
  #isCentred = false;
  #opened: { readonly key: string; readonly attention: SparseAttention } | undefined;

  constructor(parts: SparseAttentionsParts) {
    this.#parts = parts;
  }

  get mapBytes(): number {
    return this.#maps?.maps.byteLength ?? 0;
  }

  /** Loads the maps and compiles the kernels of HashAttention; may run beside a generation. */
  async prepare(options: HashAttentionOptions): Promise<void> {
    await HashAttention.create(await this.#hashParts(options));
  }

  /** Tokens of context from which the options are worth their while; Infinity where they never are, or where the maps
   *  should not be relied on. Times steps when first asked: not while other work runs. */
  async sparseFrom(options: HashAttentionOptions): Promise<number> {
    const { warning } = await this.#openMaps();
    if (warning !== null) return Number.POSITIVE_INFINITY;
    return (await this.#crossover(options)) ?? Number.POSITIVE_INFINITY;
  }

  /** As `sparseFrom`. */
  async facts(options: HashAttentionOptions): Promise<AttentionFacts> {
    const { maps, facts, origin, warning } = await this.#loadMaps();
    return {
      crossoverTokens: await this.#crossover(options),
      maps: origin,
      ...(warning === null ? {} : { mapsWarning: warning }),
      score: facts.score,
      bits: maps.bits,
      sharing: maps.sharing,
      layerBudgets: facts.layerBudgets,
    };
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
        const parts = await this.#hashParts(options);
        await this.#centreMaps();
        return {
          key: JSON.stringify([options.mode, parts.choices]),
          create: () => HashAttention.create(parts),
        };
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

  async #hashParts(options: HashAttentionOptions): Promise<HashAttentionParts> {
    const { maps, facts } = await this.#loadMaps();
    return { ...this.#parts, maps, choices: hashChoices(options, facts, this.#parts.config.layers) };
  }

  /** What fails here is tried again when next wanted. */
  async #openMaps(): Promise<OpenedMaps> {
    this.#opening ??= this.#parts.openHashMaps();
    try {
      return await this.#opening;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }

  async #loadMaps(): Promise<ModelHashMaps> {
    this.#loading ??= this.#openMaps().then((opened) => opened.load());
    try {
      this.#maps = await this.#loading;
    } catch (error) {
      this.#loading = undefined;
      throw error;
    }
    return this.#maps;
  }

  /** Random maps are centred on the keys in the cache, which must not be empty then, before anything is hashed. */
  async #centreMaps(): Promise<void> {
    const { gpu, config, cache } = this.#parts;
    const untrained = this.#maps?.untrained;
    if (!untrained || this.#isCentred) return;
    await centreOnKeys(gpu, config, untrained, cache, cache.length);
    this.#isCentred = true;
  }

  /** Null, too, where there is no memory to find out: where memory is short, dense attention needs least of it. */
  async #crossover(options: HashAttentionOptions): Promise<number | null> {
    const { crossovers, config } = this.#parts;
    const { facts, shape } = await this.#openMaps();
    const choices = hashChoices(options, facts, config.layers);
    try {
      return await deviceCrossover(crossovers, { ...this.#parts, maps: shape, choices });
    } catch (error) {
      if (error instanceof AppError && error.code === 'out-of-memory') return null;
      throw error;
    }
  }

  dispose(): void {
    this.#opened?.attention.dispose();
    if (this.#maps) this.#maps.maps.dispose();
    else this.#loading?.then(({ maps }) => maps.dispose()).catch(() => undefined); // still on their way
  }
}
