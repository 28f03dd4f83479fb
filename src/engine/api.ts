/** The engine's public types: what a caller gives and gets. No implementation, no GPU types. */
import type { AttentionFacts, AttentionOptions } from './attention/attention-types.ts';
import type { ChatCompletions } from './chat/chat-types.ts';
import type { Probe, ProbeOptions } from './probe/probe-types.ts';
import type { SignaturesKept, TrainEvent, TrainRequest } from './train/train-types.ts';

export type * from './attention/attention-types.ts';

/** Where a model's files are. A string is a Hugging Face repo id ("owner/name") or a base URL (has "://" or starts with "/" or "."). */
export type ModelReference =
  | string
  | { readonly kind: 'hub'; readonly repo: string; readonly revision?: string; readonly endpoint?: string }
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'folder'; readonly handle: FileSystemDirectoryHandle }
  | { readonly kind: 'files'; readonly files: readonly File[] };

/** What unquantised checkpoints become while loading; `stored` keeps F32, F16, BF16 exactly. MLX-quantised ones stay as they are. */
export type WeightsOption = 'q4' | 'q8' | 'f16' | 'stored';

export interface EngineOptions {
  readonly model: ModelReference;
  /** Hub revision (branch, tag or commit); "main" unless told. Overrides the reference's own. */
  readonly revision?: string;
  /** Sent as `Authorization: Bearer …` to the model host only. */
  readonly accessToken?: string;
  readonly weights?: WeightsOption;
  /** Tokens of context to plan for; the trained context (at most 8192) unless told. */
  readonly contextLength?: number;
  /** Allows a planned context beyond the trained one by YaRN with factor planned / trained. */
  readonly extendContext?: 'yarn';
  readonly attention?: AttentionOptions;
  /** Keep downloaded files in the browser's storage and find them there again; true unless told. */
  readonly useStorage?: boolean;
  readonly onProgress?: (progress: LoadProgress) => void;
  /** Called when the device is lost, when the engine is back, while a load has to wait, and for faults that stop nothing. */
  readonly onStatus?: (status: EngineStatus) => void;
  readonly signal?: AbortSignal;
}

export type LoadStage = 'config' | 'weights' | 'compile' | 'ready';

export interface LoadProgress {
  readonly stage: LoadStage;
  /** Bytes of weight files processed and in all. */
  readonly loadedBytes: number;
  readonly totalBytes: number;
  /** Of the bytes processed, those found in the browser's storage or on disk. */
  readonly fromStorageBytes: number;
  readonly bytesPerSecond: number;
}

export type EngineStatus =
  | { readonly kind: 'ready' }
  | { readonly kind: 'recovering'; readonly reason: string }
  /** Loading goes on later: a host did not answer and is asked again, or another tab downloads the same model. Null: no longer;
   *  progress says so, too. */
  | { readonly kind: 'waiting'; readonly reason: string | null }
  /** Downloads that cannot be kept, or a stored copy that could not be checked: loading goes on. */
  | { readonly kind: 'warning'; readonly warning: { readonly code: string; readonly message: string } }
  | { readonly kind: 'failed'; readonly error: { readonly code: string; readonly message: string } };

/** What loading would take on this device, known before any weight is downloaded. Bytes throughout. */
export interface MemoryPlan {
  readonly modelType: string;
  readonly parameters: number;
  readonly downloadBytes: number;
  /** How weights will be kept, e.g. "q4 (group 32), embedding q8". */
  readonly weightsDescription: string;
  readonly weightBytes: number;
  readonly contextLength: number;
  readonly trainedContext: number;
  /** Set when the planned context goes beyond the trained one. */
  readonly contextExtension: { readonly method: 'yarn'; readonly factor: number } | null;
  readonly kvCacheBytes: number;
  /** Signature maps, and what HashAttention keeps beside the whole cache: taken when it is first used. */
  readonly hashBytes: number;
  readonly scratchBytes: number;
  readonly totalBytes: number;
  readonly licence: string | null;
  readonly device: DeviceSummary;
  /** Reasons why this device cannot load it; empty when it can. */
  readonly problems: readonly string[];
}

export interface DeviceSummary {
  readonly description: string;
  readonly isCpu: boolean;
  readonly kernelVariant: string;
  readonly maxBufferBytes: number;
  readonly maxBindingBytes: number;
}

export interface ModelSummary {
  /** Human name: repo id, last URL segment or folder name. */
  readonly name: string;
  readonly modelType: string;
  readonly parameters: number;
  readonly vocab: number;
  readonly layers: number;
}

export interface SamplingOptions {
  /** 0: greedy. 1 unless told. */
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  /** Divides positive and multiplies negative logits of tokens seen in prompt or answer; 1: off. */
  readonly repetitionPenalty?: number;
  /** Per occurrence in the answer so far. */
  readonly frequencyPenalty?: number;
  /** Once for tokens in the answer so far. */
  readonly presencePenalty?: number;
  /** Token id → added to its logit. */
  readonly logitBias?: Readonly<Record<number, number>>;
  readonly seed?: number;
}

export interface GenerateRequest extends SamplingOptions {
  readonly prompt: readonly number[] | string;
  readonly maxTokens?: number;
  /** Generation ends before any of these strings; they are not emitted. */
  readonly stop?: readonly string[];
  /** Further token ids that end the answer, beside the model's own. */
  readonly stopTokens?: readonly number[];
  /** Ignore the model's end tokens (benchmarks). */
  readonly ignoreEos?: boolean;
  /** Report log-probabilities with this many alternatives (0 to 20); absent: none. */
  readonly topLogprobs?: number;
  readonly signal?: AbortSignal;
}

export type FinishReason = 'stop' | 'length' | 'aborted';

export interface TokenLogprob {
  readonly token: number;
  readonly logprob: number;
  readonly top: readonly { readonly token: number; readonly logprob: number }[];
}

export interface Timings {
  readonly prefillTokens: number;
  readonly prefillMs: number;
  readonly prefillTokensPerSecond: number;
  readonly timeToFirstTokenMs: number;
  readonly decodeTokens: number;
  readonly decodeMs: number;
  readonly decodeTokensPerSecond: number;
  /** Bytes that attention had to read while decoding, and that dense attention would have had to. */
  readonly attentionBytes: number;
  readonly denseAttentionBytes: number;
}

export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Prompt tokens whose keys and values were still in the cache. */
  readonly cachedTokens: number;
}

export type GenerationEvent =
  | {
      readonly kind: 'prefill';
      /** Prompt tokens now in the cache, those included that still were. */
      readonly doneTokens: number;
      readonly totalTokens: number;
      readonly cachedTokens: number;
    }
  | {
      readonly kind: 'token';
      readonly token: number;
      /** Text that is safe to show now; may be empty while a character is incomplete. */
      readonly text: string;
      readonly logprob?: TokenLogprob;
      /** Tokens in the context after this one, and those attended to make it. */
      readonly contextTokens: number;
      readonly attendedTokens: number;
      /** Bytes that attention had to read to make it, over all layers, and that dense attention would have had to. */
      readonly attentionBytes: number;
      readonly denseAttentionBytes: number;
      readonly tokensPerSecond: number;
      /** With the first token: what the prompt took. */
      readonly timings?: Timings;
    }
  | {
      readonly kind: 'finished';
      readonly reason: FinishReason;
      /** Text held back until the end (an incomplete character, a half-matched stop string). */
      readonly text: string;
      readonly usage: Usage;
      readonly timings: Timings;
    };

export interface MemoryUse {
  readonly weightBytes: number;
  readonly kvCacheBytes: number;
  readonly scratchBytes: number;
}

export interface Engine {
  readonly model: ModelSummary;
  readonly plan: MemoryPlan;
  readonly chat: { readonly completions: ChatCompletions };
  /** Emits prefill progress, then tokens, then one `finished`. Errors reject the iteration with an AppError.
   *  Requests run one after another; a second one waits for the first. So the loop that reads an answer must not await
   *  another request, nor `attentionFacts`; `probe` and `setAttention` it may. */
  generate(request: GenerateRequest): AsyncIterable<GenerationEvent>;
  tokenize(text: string, options?: { readonly addSpecialTokens?: boolean }): Promise<number[]>;
  detokenize(tokens: readonly number[]): Promise<string>;
  /** @throws AppError "invalid-request" for options that make no sense; the ones before then stay. */
  setAttention(options: AttentionOptions): Promise<void>;
  /** Loads the signature maps and times a few steps when first asked; between generations. */
  attentionFacts(): Promise<AttentionFacts>;
  /** Looks into one decode step of the present context: what each layer attended to, beside dense attention. While an answer
   *  is written, between two of its batches of steps, once its prompt has been read; else when its turn among the requests
   *  has come. Changes nothing: an answer goes on with the same tokens, only later. */
  probe(options?: ProbeOptions): Promise<Probe>;
  /** Learns signature maps for this model from text. Waits for its turn among the requests; those that come later wait for
   *  it, also while it is not read. Reports the loss, recall on text kept aside and checkpoints, then `finished`. The
   *  conversation's keys and values are gone after it, and are made again with the next prompt. */
  trainSignatures(request: TrainRequest): AsyncIterable<TrainEvent>;
  /** Uses these signature maps from the next step on, in place of the model's own, and keeps them with the model in the
   *  browser; null: the model's own again.
   *  @throws AppError "file-malformed", "model-unsupported"; the ones before then stay. */
  useSignatures(maps: Uint8Array<ArrayBuffer> | null): Promise<SignaturesKept>;
  memory(): Promise<MemoryUse>;
  /** Frees GPU memory and ends the worker. */
  dispose(): Promise<void>;
}
