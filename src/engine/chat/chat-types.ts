/** OpenAI's chat completion shapes, as far as this engine serves them. Names are theirs (snake_case). */
import type { Timings } from '../api.ts';

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** A message as it may be asked with: "developer" is OpenAI's newer name for "system"; of parts only text is taken, each on
 *  a line of its own. */
export interface ChatRequestMessage {
  readonly role: ChatMessage['role'] | 'developer';
  readonly content: string | readonly { readonly type: 'text'; readonly text: string }[];
}

/** Null counts as absent. What is left out is the model's own (its generation_config.json), or off. */
export interface ChatCompletionRequest {
  readonly messages: readonly ChatRequestMessage[];
  /** Without effect: an engine has one model. */
  readonly model?: string;
  readonly stream?: boolean | null;
  readonly stream_options?: { readonly include_usage?: boolean } | null;
  /** The older name of `max_completion_tokens`. */
  readonly max_tokens?: number | null;
  /** To the end of the context unless told. */
  readonly max_completion_tokens?: number | null;
  /** 0 to 2; 0: greedy. */
  readonly temperature?: number | null;
  readonly top_p?: number | null;
  /** Not OpenAI's, as min_p and repetition_penalty; see `SamplingOptions`. */
  readonly top_k?: number | null;
  readonly min_p?: number | null;
  readonly stop?: string | readonly string[] | null;
  readonly seed?: number | null;
  readonly logit_bias?: Readonly<Record<string, number>> | null;
  readonly logprobs?: boolean | null;
  readonly top_logprobs?: number | null;
  readonly frequency_penalty?: number | null;
  readonly presence_penalty?: number | null;
  readonly repetition_penalty?: number | null;
  /** 1: one answer a request. */
  readonly n?: number | null;
  /** These three are refused with a clear error. */
  readonly tools?: unknown;
  readonly tool_choice?: unknown;
  readonly response_format?: unknown;
}

export interface ChatTokenLogprob {
  /** Text of `bytes`, with U+FFFD where they are a part of a character. */
  readonly token: string;
  readonly logprob: number;
  /** Null for tokens that stand for no text. */
  readonly bytes: readonly number[] | null;
  readonly top_logprobs: readonly { token: string; logprob: number; bytes: readonly number[] | null }[];
}

/** Of an answer's tokens, the end token left out. `refusal` is OpenAI's field; this engine refuses nothing. */
export interface ChatLogprobs {
  readonly content: readonly ChatTokenLogprob[];
  readonly refusal: null;
}

export interface ChatUsage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
}

export type ChatFinishReason = 'stop' | 'length';

export interface ChatCompletion {
  readonly id: string;
  readonly object: 'chat.completion';
  readonly created: number;
  readonly model: string;
  readonly choices: readonly [
    {
      readonly index: 0;
      readonly message: { readonly role: 'assistant'; readonly content: string; readonly refusal: null };
      readonly logprobs: ChatLogprobs | null;
      readonly finish_reason: ChatFinishReason;
    },
  ];
  readonly usage: ChatUsage;
  /** Ours, beside OpenAI's fields. */
  readonly timings: Timings;
}

export interface ChatCompletionChunk {
  readonly id: string;
  readonly object: 'chat.completion.chunk';
  readonly created: number;
  readonly model: string;
  /** One choice, or none in the last chunk when usage was asked for. */
  readonly choices: readonly {
    readonly index: 0;
    readonly delta: { readonly role?: 'assistant'; readonly content?: string };
    readonly logprobs: ChatLogprobs | null;
    /** Set in the last of these; never where the signal ended the stream. */
    readonly finish_reason: ChatFinishReason | null;
  }[];
  /** Null before the last chunk when usage was asked for. */
  readonly usage?: ChatUsage | null;
  /** Ours, beside OpenAI's fields: progress of the prompt, those of its tokens included that the cache still had; live
   *  figures; timings, of the prompt with the first token and of all in the last chunk. */
  readonly prefill?: {
    readonly done_tokens: number;
    readonly total_tokens: number;
    readonly cached_tokens: number;
  };
  readonly live?: {
    readonly context_tokens: number;
    readonly attended_tokens: number;
    readonly attention_bytes: number;
    readonly dense_attention_bytes: number;
    readonly tokens_per_second: number;
  };
  readonly timings?: Timings;
}

/** What is wrong with a request rejects with AppError "invalid-request" or "context-full", before anything waits. Requests run one
 *  after another. A fired signal ends a stream, without a finish_reason, and rejects a completion with "aborted". */
export interface ChatCompletions {
  create(
    request: ChatCompletionRequest & { readonly stream: true },
    options?: { readonly signal?: AbortSignal },
  ): Promise<AsyncIterable<ChatCompletionChunk>>;
  create(
    request: ChatCompletionRequest & { readonly stream?: false | null },
    options?: { readonly signal?: AbortSignal },
  ): Promise<ChatCompletion>;
}
