/** A model on a device: weights, cache, scratch and dispatch lists, kept consistent with each other. */

import { type AppError, invariant } from '../../errors.ts';
import { Arena } from '../../kernels/runtime/arena.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { ResultRecord } from '../../kernels/sample/result-record.ts';
import type { Sampler, SamplerBuffers } from '../../kernels/sample/sampler.ts';
import { packHistory, packLogitBias, packSamplingParams } from '../../kernels/sample/sampling-params.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { RopeConfig } from '../../model/rope-config.ts';
import type { AttentionFacts, AttentionOptions, MemoryUse } from '../api.ts';
import type { AttentionPolicy } from '../attention/attention-policy.ts';
import type { CrossoverRecord } from '../attention/crossover-record.ts';
import type { OpenedMaps } from '../attention/model-hash-maps.ts';
import type { NetworkAttention } from '../attention/network-attention.ts';
import type { SparseAttention } from '../attention/sparse-attention.ts';
import { type StepAttention, stepAttention } from '../attention/step-attention.ts';
import type { GpuWeights } from '../load/gpu-weights.ts';
import type { TokenSampling } from '../token-engine.ts';
import type { DecodeActivations } from './activations.ts';
import { Decoder, type SamplingKind } from './decoder.ts';
import { KvCache } from './kv-cache.ts';
import type { NetworkKernels } from './network-kernels.ts';
import { type NetworkParts, prepareParts } from './network-parts.ts';
import { Prefill } from './prefill.ts';
import { TokenReadback } from './token-readback.ts';

export interface NetworkOptions {
  readonly gpu: Gpu;
  readonly config: ModelConfig;
  readonly weights: GpuWeights;
  /** The model's own, or the one extended beyond its training. */
  readonly rope: RopeConfig;
  readonly plannedContext: number;
  /** Says what the signature maps are when HashAttention is first wanted. */
  readonly openHashMaps: () => Promise<OpenedMaps>;
  /** Where crossovers measured before are found again. */
  readonly crossovers?: CrossoverRecord | undefined;
  /** Told why automatic attention stays dense for now. */
  readonly onWithout?: ((error: AppError) => void) | undefined;
}

export class Network {
  readonly config: ModelConfig;
  readonly plannedContext: number;
  readonly rope: RopeConfig;
  readonly cache: KvCache;
  readonly kernels: NetworkKernels;
  readonly weights: GpuWeights;
  readonly prefill: Prefill;
  readonly act: DecodeActivations;
  readonly #gpu: Gpu;
  readonly #arena: Arena;
  readonly #attention: NetworkAttention;
  readonly #sampler: Sampler;
  readonly #sampling: SamplerBuffers;
  readonly #readback: TokenReadback;
  #policies: readonly AttentionPolicy[] = [];
  #decoder: Decoder | undefined;
  #stepArena: Arena;

  /** @throws AppError "out-of-memory"; nothing but the weights is then allocated. */
  static async create(options: NetworkOptions): Promise<Network> {
    const { gpu, config, plannedContext } = options;
    const arena = new Arena(gpu);
    // kernels read signatures four tokens at a time
    const room = Math.ceil(plannedContext / 4) * 4;
    let cache: KvCache | undefined;
    try {
      cache = await KvCache.create(gpu, { ...config, plannedContext: room });
      return new Network(options, { arena, cache, ...(await prepareParts(options, arena, cache, room)) });
    } catch (error) {
      cache?.dispose();
      arena.dispose();
      throw error;
    }
  }

  private constructor(options: NetworkOptions, parts: NetworkParts & { arena: Arena; cache: KvCache }) {
    const { gpu, config, weights } = options;
    this.#gpu = gpu;
    this.config = config;
    this.weights = weights;
    this.plannedContext = options.plannedContext;
    this.rope = options.rope;
    this.#arena = parts.arena;
    this.#stepArena = new Arena(gpu);
    this.act = parts.act;
    this.kernels = parts.kernels;
    this.#attention = parts.attention;
    this.#sampler = parts.sampler;
    this.cache = parts.cache;
    this.prefill = new Prefill({ gpu, config, weights, kernels: parts.kernels, cache: parts.cache });
    this.#sampling = parts.sampler.createBuffers(parts.arena);
    this.#readback = new TokenReadback(gpu);
  }

  /** Makes room for `tokens` in the cache; stale dispatch lists are rebuilt when next used. */
  async ensureCapacity(tokens: number): Promise<void> {
    let isStale = true;
    try {
      isStale = await this.cache.ensureCapacity(tokens);
    } finally {
      if (isStale) {
        this.prefill.forgetLists();
        this.#forgetDecoder();
      }
    }
  }

  /** Holds from the next steps prepared. */
  setAttention(options: AttentionOptions): void {
    this.#attention.set(options);
  }

  /** Cuts the cache, and what follows from it, back to `tokens`. */
  truncate(tokens: number): void {
    this.cache.truncate(tokens);
    this.#attention.truncate(tokens);
  }

  /** Makes everything ready for steps from `position` on: room in the cache, and, where they attend sparsely, what that
   *  needs of all tokens before. Returns how many of `most` steps may be submitted together: those that attend alike.
   *  @throws AppError "out-of-memory"; "invalid-request" for attention options; what reading signature maps throws. */
  async prepareSteps(position: number, most: number): Promise<number> {
    const { count, isChanged } = await this.#attention.choose(position, most);
    if (isChanged) this.#forgetDecoder();
    await this.ensureCapacity(position + count);
    try {
      if (await this.#attention.catchUp(position, count)) this.#forgetDecoder();
    } catch (error) {
      if (!this.#attention.giveWay(error)) throw error;
      return this.prepareSteps(position, most);
    }
    return count;
  }

  /** What the attention of a prompt's last row amounts to. */
  readonly promptAttention = (contextTokens: number): StepAttention => {
    const { denseAttentionBytes } = stepAttention(this.config, [], contextTokens);
    return { attendedTokens: contextTokens, attentionBytes: denseAttentionBytes, denseAttentionBytes };
  };

  /** What the attention of the steps prepared last amounts to, by tokens in the context. */
  attentionCounter(): (contextTokens: number) => StepAttention {
    const { policies, config } = this;
    return (contextTokens) => stepAttention(config, policies, contextTokens);
  }

  /** Loads and compiles what HashAttention needs, beside whatever runs. */
  prepareSparse(): Promise<void> {
    return this.#attention.prepareSparse();
  }

  /** Not while a generation runs: it times steps. */
  attentionFacts(): Promise<AttentionFacts> {
    return this.#attention.facts();
  }

  /** Signature maps are opened anew when next wanted. Not while a generation runs. */
  forgetMaps(): void {
    this.#forgetDecoder();
    this.#attention.forgetMaps();
  }

  /** Writes a request's sampling choices to the GPU; returns which list they need. */
  startSampling(
    sampling: TokenSampling,
    prompt: readonly number[],
    answered: readonly number[],
    topLogprobs: number | null,
  ): SamplingKind {
    const { queue } = this.#gpu.device;
    const { vocab } = this.config;
    const { params, bias, history } = this.#sampling;
    queue.writeBuffer(params.buffer, 0, packSamplingParams(sampling, topLogprobs));
    if (Object.keys(sampling.logitBias).length > 0) {
      queue.writeBuffer(bias.buffer, 0, packLogitBias(sampling.logitBias, vocab));
    }
    const counts = packHistory(prompt, vocab);
    for (const token of answered) counts[token]!++;
    queue.writeBuffer(history.buffer, 0, counts);
    return sampling.temperature === 0 ? 'greedy' : 'sampled';
  }

  /** The first token after a prefill, from row `row` of the prefill's last chunk. */
  submitFirst(
    kind: SamplingKind,
    row: number,
    contextTokens: number,
    index: number,
  ): Promise<ResultRecord[]> {
    const residual = this.prefill.activations?.residual;
    invariant(residual, 'a prefill comes before the first token');
    return this.decoder.submitFirst({ kind, residual, row, contextTokens, index });
  }

  submitSteps(kind: SamplingKind, index: number, count: number): Promise<ResultRecord[]> {
    return this.decoder.submitSteps(kind, index, count);
  }

  /** The decoder for the cache as it is now. */
  get decoder(): Decoder {
    if (this.#decoder) return this.#decoder;
    this.#policies = this.#attention.policies(this.#stepArena);
    this.#decoder = new Decoder({
      gpu: this.#gpu,
      kernels: this.kernels,
      weights: this.weights,
      act: this.act,
      cache: this.cache,
      policies: this.#policies,
      sampler: this.#sampler,
      sampling: this.#sampling,
      readback: this.#readback,
    });
    return this.#decoder;
  }

  /** The sparse attention opened last, if any. */
  get sparse(): SparseAttention | undefined {
    return this.#attention.opened;
  }

  /** One attention policy per layer, as the decoder uses them now. */
  get policies(): readonly AttentionPolicy[] {
    void this.decoder;
    return this.#policies;
  }

  memory(): MemoryUse {
    const { mapBytes, besideCacheBytes } = this.#attention.memory();
    return {
      weightBytes: this.weights.byteLength + mapBytes,
      kvCacheBytes: this.cache.byteLength + besideCacheBytes,
      scratchBytes: this.#arena.byteLength + this.#stepArena.byteLength + this.prefill.byteLength,
    };
  }

  dispose(): void {
    this.#forgetDecoder();
    this.#readback.dispose();
    this.prefill.dispose();
    this.#attention.dispose();
    this.cache.dispose();
    this.#arena.dispose();
    this.weights.dispose();
  }

  #forgetDecoder(): void {
    this.#decoder?.dispose();
    this.#decoder = undefined;
    this.#stepArena.dispose();
  }
}
