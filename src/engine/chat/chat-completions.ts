/** `engine.chat.completions`: messages in, generation in the middle, OpenAI's objects out. */
import { AppError, invariant } from '../../errors.ts';
import type { GenerateRequest, GenerationEvent, Usage } from '../api.ts';
import type { PreparedRequest } from '../generate/prepare-request.ts';
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionRequest,
  ChatCompletions,
  ChatFinishReason,
  ChatMessage,
  ChatTokenLogprob,
  ChatUsage,
} from './chat-types.ts';
import { chatLogprob, type TokenBytes } from './logprobs.ts';
import { type ChatLimits, parseChatRequest } from './parse-request.ts';

export interface ChatParts extends ChatLimits {
  /** What answers say in `model`. */
  readonly modelName: string;
  /** Messages to the prompt's text, up to where the answer begins; null when the model has no chat template. */
  readonly renderChat: ((messages: readonly ChatMessage[]) => string) | null;
  /** Text to token ids, adding none: the template wrote the special tokens. */
  readonly encode: (text: string) => readonly number[];
  readonly tokenBytes: TokenBytes;
  /** Checks before anything waits; see `prepareRequest`. */
  readonly prepare: (request: GenerateRequest) => PreparedRequest;
  readonly run: (request: PreparedRequest, signal: AbortSignal | undefined) => AsyncIterable<GenerationEvent>;
}

/** `create` rejects what is wrong with a request at once; a stream starts to generate when it is first read.
 *  When the signal fires, a stream ends without a finish_reason, and a completion rejects with "aborted". */
export function createChatCompletions(parts: ChatParts): ChatCompletions {
  async function create(
    request: ChatCompletionRequest,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<ChatCompletion | AsyncIterable<ChatCompletionChunk>> {
    const parsed = parseChatRequest(request, parts);
    const prompt = parts.encode(render(parts, parsed.messages));
    const prepared = parts.prepare({ ...parsed.generate, prompt });
    const answer: ChatAnswer = {
      base: {
        id: `chatcmpl-${crypto.randomUUID()}`,
        created: Math.floor(Date.now() / 1000),
        model: parts.modelName,
      },
      events: parts.run(prepared, options.signal),
      withLogprobs: prepared.topLogprobs !== null,
      logprobsOf: ({ token, logprob }) =>
        logprob && !prepared.endTokens.includes(token) ? [chatLogprob(logprob, parts.tokenBytes)] : [],
    };
    return parsed.stream ? streamChunks(answer, parsed.includeUsage) : complete(answer);
  }
  return { create: create as ChatCompletions['create'] };
}

type TokenGenerated = Extract<GenerationEvent, { kind: 'token' }>;

/** One answer in the making. */
interface ChatAnswer {
  readonly base: Pick<ChatCompletion, 'id' | 'created' | 'model'>;
  readonly events: AsyncIterable<GenerationEvent>;
  readonly withLogprobs: boolean;
  /** One entry, or none for the end token, which is no part of the message. */
  readonly logprobsOf: (event: TokenGenerated) => readonly ChatTokenLogprob[];
}

function render(parts: ChatParts, messages: readonly ChatMessage[]): string {
  if (parts.renderChat) return parts.renderChat(messages);
  throw new AppError(
    'invalid-request',
    `${parts.modelName} has no chat template, so it cannot answer messages. ` +
      'Choose a model trained for chat (often named "instruct" or "chat"), or continue plain text with engine.generate.',
  );
}

/** One chunk with the role; one per step of the prompt; one per token; one with the finish_reason; one with usage if
 *  asked for. The last of them carries the timings, the first token's those of the prompt. */
async function* streamChunks(
  answer: ChatAnswer,
  includeUsage: boolean,
): AsyncGenerator<ChatCompletionChunk, void, undefined> {
  const chunk = (
    delta: ChatCompletionChunk['choices'][number]['delta'],
    finish: ChatFinishReason | null = null,
    logprobs: readonly ChatTokenLogprob[] = [],
  ): ChatCompletionChunk => ({
    ...answer.base,
    object: 'chat.completion.chunk',
    choices: [
      {
        index: 0,
        delta,
        logprobs: logprobs.length > 0 ? { content: logprobs, refusal: null } : null,
        finish_reason: finish,
      },
    ],
    ...(includeUsage ? { usage: null } : {}),
  });
  yield chunk({ role: 'assistant', content: '' });
  for await (const event of answer.events) {
    switch (event.kind) {
      case 'prefill':
        yield {
          ...chunk({}),
          prefill: {
            done_tokens: event.doneTokens,
            total_tokens: event.totalTokens,
            cached_tokens: event.cachedTokens,
          },
        };
        break;
      case 'token':
        yield {
          ...chunk(contentOf(event.text), null, answer.logprobsOf(event)),
          live: {
            context_tokens: event.contextTokens,
            attended_tokens: event.attendedTokens,
            attention_bytes: event.attentionBytes,
            dense_attention_bytes: event.denseAttentionBytes,
            tokens_per_second: event.tokensPerSecond,
          },
          ...(event.timings ? { timings: event.timings } : {}),
        };
        break;
      case 'finished': {
        const last = chunk(contentOf(event.text), event.reason === 'aborted' ? null : event.reason);
        if (includeUsage) {
          yield last;
          yield { ...chunk({}), choices: [], usage: chatUsage(event.usage), timings: event.timings };
        } else {
          yield { ...last, timings: event.timings };
        }
        break;
      }
      default:
        event satisfies never;
    }
  }
}

async function complete(answer: ChatAnswer): Promise<ChatCompletion> {
  let content = '';
  const logprobs: ChatTokenLogprob[] = [];
  for await (const event of answer.events) {
    if (event.kind === 'prefill') continue;
    content += event.text;
    if (event.kind === 'token') {
      logprobs.push(...answer.logprobsOf(event));
      continue;
    }
    if (event.reason === 'aborted') {
      throw new AppError('aborted', 'The chat completion was stopped by its caller.');
    }
    return {
      ...answer.base,
      object: 'chat.completion',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content, refusal: null },
          logprobs: answer.withLogprobs ? { content: logprobs, refusal: null } : null,
          finish_reason: event.reason,
        },
      ],
      usage: chatUsage(event.usage),
      timings: event.timings,
    };
  }
  invariant(false, 'a generation must end with a finished event');
}

function contentOf(text: string): { readonly content?: string } {
  return text === '' ? {} : { content: text };
}

function chatUsage(usage: Usage): ChatUsage {
  return {
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedTokens },
  };
}
