/** The seam between text and numbers: token ids in, token ids out. The GPU side implements it. */
import type { Gpu } from '../kernels/runtime/gpu.ts';
import type { AttentionOptions, MemoryUse, SamplingOptions, TokenLogprob } from './api.ts';
import type { Network } from './network/network.ts';
import type { ProbedLayer, ProbeOptions } from './probe/probe-types.ts';

/** Every sampling choice made; `topK` 0, `topP` 1, `minP` 0 and penalties of 1, 0, 0 are off. */
export type TokenSampling = Required<SamplingOptions>;

/** A checked request: the ids are below `vocab`, and `prompt.length + maxTokens` is at most `contextLength`. */
export interface TokenRequest {
  /** At least one token. */
  readonly prompt: readonly number[];
  /** At least one. */
  readonly maxTokens: number;
  /** Producing one of these ends the generation. */
  readonly endTokens: readonly number[];
  readonly sampling: TokenSampling;
  /** Alternatives to report with each token's log-probability; null: no log-probabilities. */
  readonly topLogprobs: number | null;
  readonly signal: AbortSignal;
}

export type TokenEvent =
  | {
      readonly kind: 'prefill';
      /** Prompt tokens now in the cache, the reused ones included. */
      readonly doneTokens: number;
      readonly totalTokens: number;
      /** Prompt tokens whose keys and values were still there; fewer than all, as the last is always processed. */
      readonly cachedTokens: number;
    }
  | {
      readonly kind: 'token';
      readonly token: number;
      readonly isEnd: boolean;
      readonly logprob?: TokenLogprob;
      /** Tokens in the context after this one, and those attended to make it. */
      readonly contextTokens: number;
      readonly attendedTokens: number;
      /** Bytes that attention had to read to make it, and that dense attention would have had to. */
      readonly attentionBytes: number;
      readonly denseAttentionBytes: number;
    };

/** As `Probe`, in token ids. */
export interface ProbedStep {
  readonly position: number;
  /** Every token in the cache. */
  readonly tokens: readonly number[];
  readonly layers: readonly ProbedLayer[];
}

export type NetworkWork<T> = (on: { readonly gpu: Gpu; readonly network: Network }) => Promise<T>;

export interface TokenEngine {
  readonly vocab: number;
  readonly contextLength: number;
  /** One generation at a time. Reuses the longest common prefix with what the cache holds.
   *  Emits prefill progress (once at the start, then per chunk), then tokens. Ends after `maxTokens` tokens, after
   *  an end token (emitted, `isEnd` set), when the consumer returns, or soon after the signal fires. */
  generateTokens(request: TokenRequest): AsyncIterable<TokenEvent>;
  /** Holds from the next step on, also within a running generation. */
  setAttention(options: AttentionOptions): void;
  /** Looks into a step of the present context; within a running generation between two batches of steps, once the prompt
   *  has been read. Not beside other work on the network. */
  probe(options: ProbeOptions): Promise<ProbedStep>;
  /** Other work on the network; not while a generation runs, unless the work says that it may.
   *  @throws what the work throws; AppError "device-lost" when that was why. */
  withNetwork<T>(work: NetworkWork<T>): Promise<T>;
  memory(): MemoryUse;
  /** Ends a running generation as its signal would, then frees GPU memory. */
  dispose(): void;
}
