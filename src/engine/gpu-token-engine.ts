/** Token ids in, token ids out, on one GPU device: prefill what the cache lacks, then decode in batches. */

import { AppError, invariant } from '../errors.ts';
import type { Gpu } from '../kernels/runtime/gpu.ts';
import type { ResultRecord } from '../kernels/sample/result-record.ts';
import type { AttentionOptions, MemoryUse, TokenLogprob } from './api.ts';
import type { StepAttention } from './attention/step-attention.ts';
import { BatchSizer } from './batch-sizer.ts';
import { RequestQueue } from './generate/request-queue.ts';
import { withProgress } from './generate/with-progress.ts';
import { loadPart } from './load-part.ts';
import type { SamplingKind } from './network/decoder.ts';
import type { Network } from './network/network.ts';
import type { ProbeOptions } from './probe/probe-types.ts';
import type { NetworkWork, ProbedStep, TokenEngine, TokenEvent, TokenRequest } from './token-engine.ts';

/** Batches kept in flight, so that the GPU never waits for the read-back. */
export const batchesInFlight = 2;

/** Steps submitted together, and what the attention of each amounts to. */
interface Batch {
  readonly records: Promise<ResultRecord[]>;
  readonly attention: (contextTokens: number) => StepAttention;
}

/** The token after what the cache holds, being sampled: the answer's `index`th. */
interface FirstStep {
  readonly kind: SamplingKind;
  readonly index: number;
  readonly records: Batch['records'];
}

/** A request taken up again after a lost device: `answered` was produced before. */
export interface ResumableRequest extends TokenRequest {
  readonly answered?: readonly number[];
}

export class GpuTokenEngine implements TokenEngine {
  readonly contextLength: number;
  readonly #gpu: Gpu;
  readonly #network: Network;
  readonly #sizer: BatchSizer;
  readonly #disposal = new AbortController();
  /** What submits steps takes turns: a prompt with its first token, every batch, and a look into a step. */
  readonly #turns = new RequestQueue();

  constructor(gpu: Gpu, network: Network) {
    this.#gpu = gpu;
    this.#network = network;
    this.contextLength = network.plannedContext;
    this.#sizer = new BatchSizer();
  }

  /** Settles with the reason when the device is gone. */
  get lost(): Promise<string> {
    return this.#gpu.lost.then((info) => info.message || String(info.reason));
  }

  get vocab(): number {
    return this.#network.config.vocab;
  }

  setAttention(options: AttentionOptions): void {
    this.#network.setAttention(options);
  }

  async probe(options: ProbeOptions): Promise<ProbedStep> {
    const { probeStep } = await loadPart(import('./probe/look-into-step.ts'));
    const { signal = this.#disposal.signal } = options;
    // outside the turn it is found out why a look failed: an answer does not wait for that
    return this.withNetwork((on) =>
      this.#turns.run(
        () => probeStep(on, options).finally(() => this.#sizer.restart()), // this pause is no step's time either
        signal,
      ),
    );
  }

  async withNetwork<T>(work: NetworkWork<T>): Promise<T> {
    try {
      return await work({ gpu: this.#gpu, network: this.#network });
    } catch (error) {
      throw await this.#asDeviceLoss(error);
    }
  }

  memory(): MemoryUse {
    return this.#network.memory();
  }

  dispose(): void {
    this.#disposal.abort();
    this.#network.dispose();
    this.#gpu.dispose();
  }

  async *generateTokens(request: ResumableRequest): AsyncGenerator<TokenEvent> {
    const signal = AbortSignal.any([request.signal, this.#disposal.signal]);
    try {
      yield* this.#generate(request, signal);
    } catch (error) {
      if (signal.aborted) return;
      throw await this.#asDeviceLoss(error);
    }
  }

  async *#generate(request: ResumableRequest, signal: AbortSignal): AsyncGenerator<TokenEvent> {
    const context = [...request.prompt, ...(request.answered ?? [])];
    const total = request.prompt.length + request.maxTokens;
    invariant(total <= this.contextLength, `prompt and answer need ${total} of ${this.contextLength} tokens`);
    // one turn, and nobody has to ask for it: whoever reads of its progress may wait for a look, which comes after it
    const reading = withProgress<TokenEvent, FirstStep>((report, left) => {
      const until = AbortSignal.any([signal, left]);
      return this.#turns.run(() => this.#read(request, context, report, until), until);
    });
    yield* this.#decode(request, yield* reading, signal);
  }

  /** Brings the cache up to the context, and samples the token that follows it. */
  async #read(
    request: ResumableRequest,
    context: readonly number[],
    report: (event: TokenEvent) => void,
    signal: AbortSignal,
  ): Promise<FirstStep> {
    const network = this.#network;
    const { prompt, answered = [], sampling, topLogprobs } = request;
    const kind = network.startSampling(sampling, prompt, answered, topLogprobs);
    const totalTokens = context.length;
    const cachedTokens = Math.min(network.cache.commonPrefix(context), totalTokens - 1);
    network.truncate(cachedTokens);
    await network.ensureCapacity(totalTokens);
    report({ kind: 'prefill', doneTokens: cachedTokens, totalTokens, cachedTokens });
    let lastRow = 0;
    for await (const { done, rows } of network.prefill.run(context.slice(cachedTokens), signal)) {
      lastRow = rows - 1;
      report({ kind: 'prefill', doneTokens: cachedTokens + done, totalTokens, cachedTokens });
    }
    const index = answered.length;
    return { kind, index, records: network.submitFirst(kind, lastRow, totalTokens, index) };
  }

  async *#decode(
    request: TokenRequest,
    { kind, index, records: first }: FirstStep,
    signal: AbortSignal,
  ): AsyncGenerator<TokenEvent> {
    const network = this.#network;
    const endTokens = new Set(request.endTokens);
    const pending: Batch[] = [
      { records: first, attention: network.promptAttention }, // the prompt is read densely
    ];
    let submitted = index + 1;
    let produced = index;
    // the last token's keys and values are not in the cache yet: they are computed by the step that follows it
    let unprocessed: number | undefined;
    this.#sizer.restart();
    try {
      while (pending.length > 0) {
        while (pending.length < batchesInFlight && submitted < request.maxTokens && !signal.aborted) {
          const most = Math.min(this.#sizer.size, request.maxTokens - submitted);
          const position = request.prompt.length + submitted - 1;
          submitted += await this.#turns.run(async () => {
            const count = await network.prepareSteps(position, most);
            const records = network.submitSteps(kind, submitted, count);
            pending.push({ records, attention: network.attentionCounter() });
            return count;
          }, signal);
        }
        const { records: arriving, attention } = pending.shift()!;
        const records = await arriving;
        this.#sizer.finished(records.length);
        for (const record of records) {
          if (signal.aborted) return;
          if (unprocessed !== undefined) network.cache.append([unprocessed]);
          unprocessed = record.token;
          produced++;
          const isEnd = endTokens.has(record.token);
          const contextTokens = request.prompt.length + produced;
          yield {
            kind: 'token',
            token: record.token,
            isEnd,
            ...(request.topLogprobs === null ? {} : { logprob: logprobOf(record) }),
            contextTokens,
            ...attention(contextTokens - 1),
          };
          if (isEnd) return;
        }
      }
    } finally {
      // steps already submitted still write behind the end of the cache: let them finish before the next request
      await Promise.allSettled(pending.map(({ records }) => records));
    }
  }

  /** Device loss shows as whatever call came first: name it. */
  async #asDeviceLoss(error: unknown): Promise<unknown> {
    const pause = new Promise<null>((resolve) => setTimeout(() => resolve(null), 100));
    const lost = await Promise.race([this.#gpu.lost, pause]);
    if (!lost || this.#disposal.signal.aborted) return error;
    const reason = lost.message || lost.reason;
    return new AppError(
      'device-lost',
      `The graphics device was lost while working (${reason}). The engine restarts itself; if this repeats, choose a smaller model.`,
      { cause: error, details: { reason: String(lost.reason) } },
    );
  }
}

function logprobOf({ token, logprob, top }: ResultRecord): TokenLogprob {
  invariant(logprob !== null, 'log-probabilities were asked for and not computed');
  return { token, logprob, top };
}
