/** Opens sparse policies as they are wanted. Everything behind it is loaded when the first one is, as most pages start
 *  without. */
import { AppError } from '../../errors.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { AttentionFacts, HashAttentionOptions, SparseAttentionOptions } from '../api.ts';
import type { KvCache } from '../network/kv-cache.ts';
import { Arrival } from './arrival.ts';
import { stepsBefore } from './automatic.ts';
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
  /** Told why automatic attention goes on without HashAttention for now. */
  readonly onWithout: (error: AppError) => void;
}

/** A policy to be; options that choose the same have the same key. */
interface Choice {
  readonly key: string;
  readonly create: () => Promise<SparseAttention>;
}

/** Owns the maps, and the policy opened last with what it keeps beside the cache. */
export class SparseAttentions {
  readonly #parts: SparseAttentionsParts;
  readonly #headerArriving: Arrival<OpenedMaps>;
  readonly #mapsArriving: Arrival<ModelHashMaps>;
  #opening: Promise<OpenedMaps> | undefined;
  #header: OpenedMaps | undefined;
  #loading: Promise<ModelHashMaps> | undefined;
  #maps: ModelHashMaps | undefined;
  #isCentred = false;
  #isDisposed = false;
  #opened: { readonly key: string; readonly attention: SparseAttention } | undefined;

  constructor(parts: SparseAttentionsParts) {
    this.#parts = parts;
    const onFailure = parts.onWithout;
    this.#headerArriving = new Arrival({ fetch: () => this.#openMaps(), onFailure });
    this.#mapsArriving = new Arrival({ fetch: () => this.#loadMaps(), onFailure });
  }

  get mapBytes(): number {
    return this.#maps?.maps.byteLength ?? 0;
  }

  /** Loads the maps and compiles the kernels of HashAttention; may run beside a generation. */
  async prepare(options: HashAttentionOptions): Promise<void> {
    await HashAttention.create(await this.#hashParts(options));
  }

  /** Of `most` steps from `position` on, how many automatic attention takes densely: all where HashAttention is never worth
   *  its while, where its maps should not be relied on, and while they are on their way, which is not waited for. Times steps
   *  when first asked: not while other work runs. */
  async denseSteps(options: HashAttentionOptions, position: number, most: number): Promise<number> {
    const header = this.#header ?? this.#headerArriving.get();
    if (!header || header.warning !== null) return most;
    const crossover = await this.#crossover(options);
    if (crossover === null) return most;
    // sent for before they are needed
    const maps = this.#maps ?? this.#mapsArriving.get();
    const before = stepsBefore(crossover, position);
    return before > 0 ? before : maps ? 0 : most;
  }

  /** Finds out beside other work whether automatic attention will want the maps within the planned context, and sends for them
   *  then. */
  async foresee(options: HashAttentionOptions): Promise<void> {
    try {
      const { warning } = await this.#openMaps();
      const isWanted = warning === null && (await this.#crossover(options)) !== null;
      if (isWanted && !this.#isDisposed) this.#mapsArriving.get();
    } catch (error) {
      // others show themselves where the crossover is wanted
      if (error instanceof AppError) this.#parts.onWithout(error);
    }
  }

  /** Not while other work runs: it may have to time steps. */
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
      this.#header = await this.#opening;
      return this.#header;
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
    this.#isDisposed = true;
    this.#opened?.attention.dispose();
    if (this.#maps) this.#maps.maps.dispose();
    else this.#loading?.then(({ maps }) => maps.dispose()).catch(() => undefined); // still on their way
  }
}
