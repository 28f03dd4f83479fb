/** Processes a prompt in chunks sized by time, so that the tab stays alive and one submission stays short. */
import { throwIfAborted } from '../../errors.ts';
import { Arena } from '../../kernels/runtime/arena.ts';
import { type Dispatch, encodeDispatches } from '../../kernels/runtime/dispatch.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { GpuWeights } from '../load/gpu-weights.ts';
import { allocating } from '../memory/allocating.ts';
import { createPrefillActivations, type PrefillActivations, prefillRowBytes } from './activations.ts';
import type { FewRowsAttention } from './few-rows.ts';
import type { KvCache } from './kv-cache.ts';
import type { NetworkKernels } from './network-kernels.ts';
import { prefillLayer, type QueryObserver } from './prefill-layer.ts';
import { writeStep } from './step.ts';

export interface PrefillParts {
  readonly gpu: Gpu;
  readonly config: ModelConfig;
  readonly weights: GpuWeights;
  readonly kernels: NetworkKernels;
  readonly cache: KvCache;
  /** Told of every layer's queries; nobody unless given. */
  readonly observeQuery?: QueryObserver;
  /** Rows of every chunk but the last, as far as they fit: for results that do not depend on the machine's mood, since
   *  products of other sizes round otherwise. Sized by time unless told. */
  readonly chunkRows?: number;
  /** Tokens in the cache from which on a chunk of few rows attends to them in parts. */
  readonly manyTokens?: number;
}

/** Milliseconds a chunk should take, and one submission within it. */
const chunkMs = 200;
const submissionMs = 40;
const mostRows = 4096;
/** Rows that occupy a graphics card by themselves, and tokens that one workgroup walks in no time. */
const enoughRows = 512;
const manyTokens = 4096;
const cpuRows = 128;
const scratchBudget = 512 * 2 ** 20;

/** Dispatch lists kept, by rows and how they attend: chunks of a few sizes come back, and making a list takes as long as running a short one. */
const mostLists = 6;

export class Prefill {
  readonly #parts: PrefillParts;
  readonly #mostRows: number;
  #arena: Arena;
  #act: PrefillActivations | undefined;
  #lists = new Map<string, { arena: Arena; layers: Dispatch[][] }>();
  #tokensPerMs: number;
  #fewRows: FewRowsAttention | undefined;

  constructor(parts: PrefillParts) {
    this.#parts = parts;
    this.#arena = new Arena(parts.gpu);
    this.#mostRows = prefillRows(parts.gpu, parts.config);
    this.#tokensPerMs = 512 / chunkMs;
  }

  /** Bytes of scratch held now. */
  get byteLength(): number {
    return this.#arena.byteLength;
  }

  /** The scratch of the last chunk run: its residual holds the last layer's output. */
  get activations(): PrefillActivations | undefined {
    return this.#act;
  }

  /** Appends `tokens` to the cache. Yields after each chunk: how many of them are done, and the chunk's rows.
   *  The cache must have room for all of them. */
  async *run(
    tokens: readonly number[],
    signal?: AbortSignal,
  ): AsyncGenerator<{ done: number; rows: number }> {
    const { cache } = this.#parts;
    let done = 0;
    while (done < tokens.length) {
      throwIfAborted(signal);
      const rows = Math.min(this.#nextRows(), tokens.length - done);
      const started = performance.now();
      await this.#chunk(tokens.slice(done, done + rows), signal);
      const elapsed = performance.now() - started;
      if (rows >= 64) this.#tokensPerMs = rows / elapsed;
      cache.append(tokens.slice(done, done + rows));
      done += rows;
      yield { done, rows };
    }
  }

  /** Dispatch lists hold the cache's buffers: call when those were replaced. */
  forgetLists(): void {
    for (const { arena } of this.#lists.values()) arena.dispose();
    this.#lists.clear();
  }

  dispose(): void {
    this.forgetLists();
    this.#arena.dispose();
  }

  #nextRows(): number {
    const { gpu, chunkRows } = this.#parts;
    if (chunkRows !== undefined) return Math.min(this.#mostRows, chunkRows);
    if (gpu.traits.isCpu) return cpuRows;
    const wanted = 2 ** Math.floor(Math.log2(Math.max(1, this.#tokensPerMs * chunkMs)));
    return Math.min(this.#mostRows, Math.max(64, wanted));
  }

  async #chunk(tokens: readonly number[], signal: AbortSignal | undefined): Promise<void> {
    const { gpu, cache } = this.#parts;
    const act = await this.#activationsFor(tokens.length);
    gpu.device.queue.writeBuffer(act.ids.buffer, 0, Uint32Array.from(tokens));
    writeStep(gpu, act.step, { position: cache.length, rows: tokens.length, index: 0 });
    const { layers } = this.#listFor(tokens.length, act, await this.#attentionOf(tokens.length));
    const isCpu = gpu.traits.isCpu;
    const expectedMs = tokens.length / this.#tokensPerMs;
    const submissions = isCpu ? layers.length : Math.max(1, Math.ceil(expectedMs / submissionMs));
    const perSubmission = Math.ceil(layers.length / submissions);
    for (let first = 0; first < layers.length; first += perSubmission) {
      const encoder = gpu.device.createCommandEncoder();
      encodeDispatches(encoder, layers.slice(first, first + perSubmission).flat());
      gpu.device.queue.submit([encoder.finish()]);
      if (isCpu) {
        await gpu.device.queue.onSubmittedWorkDone();
        throwIfAborted(signal);
      }
    }
    await gpu.device.queue.onSubmittedWorkDone();
  }

  async #activationsFor(rows: number): Promise<PrefillActivations> {
    if (this.#act && this.#act.tokens >= rows) return this.#act;
    const { gpu, config } = this.#parts;
    this.forgetLists();
    this.#arena.dispose();
    const tokens = Math.min(this.#mostRows, Math.max(64, 2 ** Math.ceil(Math.log2(rows))));
    const bytes = tokens * prefillRowBytes(config);
    this.#act = await allocating(gpu, `scratch for prompts of ${tokens} tokens at a time`, bytes, () =>
      createPrefillActivations(this.#arena, config, tokens),
    );
    return this.#act;
  }

  /** How a chunk attends where it does so in parts. That is only faster: where it cannot be fetched, the prompt goes on. */
  async #attentionOf(rows: number): Promise<FewRowsAttention | undefined> {
    const { gpu, cache, manyTokens: many = gpu.traits.isCpu ? Infinity : manyTokens } = this.#parts;
    if (rows >= enoughRows || cache.length < many) return undefined;
    this.#fewRows ??= await import('./few-rows.ts').then(
      ({ prepareFewRows }) => prepareFewRows(this.#parts),
      () => undefined,
    );
    return this.#fewRows;
  }

  /** The embedding followed by each layer's dispatches; the embedding counts as a layer of its own. */
  #listFor(
    rows: number,
    act: PrefillActivations,
    fewRows: FewRowsAttention | undefined,
  ): { arena: Arena; layers: Dispatch[][] } {
    const key = `${rows} ${fewRows ? 'in parts' : 'whole'}`;
    const known = this.#lists.get(key);
    if (known) return known;
    if (this.#lists.size >= mostLists) this.forgetLists();
    const { gpu, weights, kernels, cache, observeQuery } = this.#parts;
    const arena = new Arena(gpu);
    const embedding = kernels.embed(arena, 'embedding', weights.embedding, {
      tokens: act.ids,
      out: act.residual,
      rows,
    });
    const layers = weights.layers.map((layer, index) => {
      const inParts = fewRows?.(arena, { index, act, rows });
      return prefillLayer({
        ...{ arena, index, kernels, layer, act, cache, rows, observeQuery },
        ...(inParts ? { attend: () => inParts } : {}),
      });
    });
    const list = { arena, layers: [embedding, ...layers] };
    this.#lists.set(key, list);
    return list;
  }
}

/** Most rows one chunk may have: a power of two, within the scratch budget and one binding per activation. */
export function prefillRows(gpu: Gpu, config: ModelConfig): number {
  if (gpu.traits.isCpu) return cpuRows;
  const binding = gpu.device.limits.maxStorageBufferBindingSize;
  const byBinding = Math.floor(binding / (2 * config.ffn * 4));
  const byBudget = Math.floor(scratchBudget / prefillRowBytes(config));
  return Math.max(64, Math.min(mostRows, 2 ** Math.floor(Math.log2(Math.min(byBinding, byBudget)))));
}
