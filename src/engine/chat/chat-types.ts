/** OpenAI's chat completion shapes, as far as this engine serves them. Names are theirs (snake_case). */
import type { Timings } from '../api.ts';

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export interface ChatCompletionRequest {
  readonly messages: readonly ChatMessage[];
  readonly model?: string;
  readonly stream?: boolean | null;
  readonly stream_options?: { readonly include_usage?: boolean } | null;
  readonly max_tokens?: number | null;
  readonly max_completion_tokens?: number | null;
  readonly temperature?: number | null;
  readonly top_p?: number | null;
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
  readonly n?: number | null;
  /** Refused for now, with a clear error. */
  readonly tools?: unknown;
  readonly tool_choice?: unknown;
  readonly response_format?: unknown;
}

export interface ChatTokenLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[] | null;
  readonly top_logprobs: readonly { token: string; logprob: number; bytes: readonly number[] | null }[];
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
      readonly message: { readonly role: 'assistant'; readonly content: string };
      readonly logprobs: { readonly content: readonly ChatTokenLogprob[] } | null;
      readonly finish_reason: ChatFinishReason;
    },
  ];
  readonly usage: ChatUsage;
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
    readonly logprobs: { readonly content: readonly ChatTokenLogprob[] } | null;
    readonly finish_reason: ChatFinishReason | null;
  }[];
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
