/** Messages between the page and the engine's worker: plain data only, every one about a numbered request.
 *
 *  A call is answered once. A stream is opened (answered `opened` or `failed`), then sends as many items as were
 *  asked for by `pull`, and ends with `ended` or `failed`. Progress and status belong to the one engine of the worker. */
import type { AppErrorJson } from '../../errors.ts';
import type {
  AttentionFacts,
  AttentionOptions,
  EngineOptions,
  EngineStatus,
  GenerateRequest,
  GenerationEvent,
  LoadProgress,
  MemoryPlan,
  MemoryUse,
  ModelSummary,
} from '../api.ts';
import type { ChatCompletion, ChatCompletionChunk, ChatCompletionRequest } from '../chat/chat-types.ts';
import type { Probe, ProbeOptions } from '../probe/probe-types.ts';
import type { SignaturesKept, TrainEvent, TrainRequest } from '../train/train-types.ts';

/** Options without what cannot be cloned. */
export type PlainOptions = Omit<EngineOptions, 'onProgress' | 'onStatus' | 'signal'>;
export type PlainGenerateRequest = Omit<GenerateRequest, 'signal'>;

/** What the page may ask once: arguments and answer by method. */
export interface Calls {
  readonly plan: { readonly args: PlainOptions; readonly result: MemoryPlan };
  readonly load: {
    readonly args: PlainOptions;
    readonly result: { readonly model: ModelSummary; readonly plan: MemoryPlan };
  };
  readonly complete: { readonly args: ChatCompletionRequest; readonly result: ChatCompletion };
  readonly tokenize: {
    readonly args: { readonly text: string; readonly addSpecialTokens: boolean };
    readonly result: number[];
  };
  readonly detokenize: { readonly args: readonly number[]; readonly result: string };
  readonly setAttention: { readonly args: AttentionOptions; readonly result: null };
  readonly probe: { readonly args: Omit<ProbeOptions, 'signal'>; readonly result: Probe };
  readonly attentionFacts: { readonly args: null; readonly result: AttentionFacts };
  readonly useSignatures: {
    readonly args: Uint8Array<ArrayBuffer> | null;
    readonly result: SignaturesKept;
  };
  readonly memory: { readonly args: null; readonly result: MemoryUse };
  readonly dispose: { readonly args: null; readonly result: null };
}

/** What the page may ask for item by item. */
export interface Streams {
  readonly generate: { readonly args: PlainGenerateRequest; readonly item: GenerationEvent };
  readonly chat: { readonly args: ChatCompletionRequest; readonly item: ChatCompletionChunk };
  readonly train: { readonly args: Omit<TrainRequest, 'signal'>; readonly item: TrainEvent };
}

export type CallName = keyof Calls;
export type StreamName = keyof Streams;

/** One member per method, so that `method` tells what `args` is. */
export type CallMessage = {
  [M in CallName]: {
    readonly kind: 'call';
    readonly id: number;
    readonly method: M;
    readonly args: Calls[M]['args'];
  };
}[CallName];

export type OpenMessage = {
  [M in StreamName]: {
    readonly kind: 'open';
    readonly id: number;
    readonly method: M;
    readonly args: Streams[M]['args'];
  };
}[StreamName];

export type ToWorker =
  | CallMessage
  | OpenMessage
  /** The reader has room for so many more items. */
  | { readonly kind: 'pull'; readonly id: number; readonly items: number }
  /** The caller's signal fired. A stream still sends how it ended. */
  | { readonly kind: 'abort'; readonly id: number }
  /** The reader left; nothing more is wanted. */
  | { readonly kind: 'close'; readonly id: number };

export type FromWorker =
  | { readonly kind: 'result'; readonly id: number; readonly value: Calls[CallName]['result'] }
  | { readonly kind: 'opened'; readonly id: number }
  | { readonly kind: 'item'; readonly id: number; readonly value: Streams[StreamName]['item'] }
  | { readonly kind: 'ended'; readonly id: number }
  | { readonly kind: 'failed'; readonly id: number; readonly error: AppErrorJson }
  | { readonly kind: 'progress'; readonly progress: LoadProgress }
  | { readonly kind: 'status'; readonly status: EngineStatus };
