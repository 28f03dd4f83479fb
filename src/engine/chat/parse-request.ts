/** Checks a chat completion request against OpenAI's reference and against what this engine can do. */
import { AppError } from '../../errors.ts';
import type { GenerateRequest, SamplingOptions } from '../api.ts';
import {
  checkBoolean,
  checkLogitBias,
  checkNumber,
  checkString,
  checkStrings,
  invalidRequest,
  isRecord,
  type NumberRange,
} from '../validate.ts';
import type { ChatMessage } from './chat-types.ts';

export interface ParsedChatRequest {
  readonly messages: readonly ChatMessage[];
  readonly generate: Omit<GenerateRequest, 'prompt' | 'signal'>;
  readonly stream: boolean;
  readonly includeUsage: boolean;
}

/** The sampling a model's authors recommend; a request's own choices come first. */
export type SamplingDefaults = Pick<
  SamplingOptions,
  'temperature' | 'topK' | 'topP' | 'minP' | 'repetitionPenalty'
>;

export interface ChatLimits {
  readonly vocab: number;
  readonly samplingDefaults: SamplingDefaults;
}

/** What a role is to the chat template. */
const roles = new Map<unknown, ChatMessage['role']>([
  ['system', 'system'],
  ['developer', 'system'],
  ['user', 'user'],
  ['assistant', 'assistant'],
]);

/** Parameters read below. */
const served = [
  ...['messages', 'model', 'stream', 'stream_options', 'max_tokens', 'max_completion_tokens', 'temperature'],
  ...[
    'top_p',
    'top_k',
    'min_p',
    'stop',
    'seed',
    'logit_bias',
    'logprobs',
    'top_logprobs',
    'frequency_penalty',
  ],
  ...['presence_penalty', 'repetition_penalty', 'n', 'tools', 'tool_choice', 'response_format'],
];

/** OpenAI parameters about accounts, storage and speed: without effect on the answer, so without effect here. */
const ignored = [
  ...['user', 'safety_identifier', 'metadata', 'store', 'service_tier', 'prompt_cache_key'],
  ...['parallel_tool_calls', 'prediction'],
];

/** Null counts as absent, as it does for OpenAI.
 *  @throws AppError "invalid-request" naming the parameter. */
export function parseChatRequest(request: unknown, limits: ChatLimits): ParsedChatRequest {
  if (!isRecord(request)) throw invalidRequest('the request', 'an object', request);
  const given = withoutNulls(request);
  refuseUnsupported(given);
  if (given.model !== undefined) checkString('model', given.model);
  const stream = checkBoolean('stream', given.stream ?? false);
  return {
    messages: parseMessages(given.messages),
    generate: {
      ...parseSampling(given, limits),
      ...optional('maxTokens', parseMaxTokens(given)),
      ...optional('topLogprobs', parseTopLogprobs(given)),
      stop:
        typeof given.stop === 'string'
          ? checkStrings('stop', [given.stop])
          : checkStrings('stop', given.stop ?? []),
    },
    stream,
    includeUsage: parseIncludeUsage(given.stream_options, stream),
  };
}

function withoutNulls(request: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(request).filter(([, value]) => value !== null && value !== undefined),
  );
}

function refuseUnsupported(given: Readonly<Record<string, unknown>>): void {
  const unknown = Object.keys(given).find((name) => !served.includes(name) && !ignored.includes(name));
  if (unknown !== undefined) throw unsupported(unknown, `The parameter "${unknown}" is not supported`);
  if (given.n !== undefined && checkNumber('n', given.n, { min: 1, integer: true }) > 1) {
    throw unsupported(
      'n',
      `n is ${given.n}, but only one answer per request is supported`,
      'Send several requests.',
    );
  }
  const hasTools = given.tools !== undefined && !(Array.isArray(given.tools) && given.tools.length === 0);
  if (hasTools) throw unsupported('tools', 'Tool calls are not supported');
  if (given.tool_choice !== undefined && given.tool_choice !== 'none') {
    throw unsupported(
      'tool_choice',
      'Tool calls are not supported',
      'Leave tool_choice out or set it to "none".',
    );
  }
  const format = given.response_format;
  if (format !== undefined && !(isRecord(format) && format.type === 'text')) {
    throw unsupported(
      'response_format',
      'Only the response_format {"type": "text"} is supported',
      'Ask for the format in a message instead.',
    );
  }
}

function unsupported(parameter: string, what: string, advice = 'Leave it out.'): AppError {
  return new AppError('invalid-request', `${what}. ${advice}`, { details: { parameter } });
}

function parseMessages(messages: unknown): readonly ChatMessage[] {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw invalidRequest('messages', 'a list with at least one message', messages);
  }
  return messages.map((message: unknown, index) => {
    const where = `messages[${index}]`;
    if (!isRecord(message)) throw invalidRequest(where, 'an object with role and content', message);
    const role = roles.get(message.role);
    if (role === undefined) {
      throw invalidRequest(
        `${where}.role`,
        [...roles.keys()].map((known) => `"${known}"`).join(', '),
        message.role,
      );
    }
    const extra = Object.entries(message).find(
      ([name, value]) => name !== 'role' && name !== 'content' && value !== null && value !== undefined,
    );
    if (extra)
      throw unsupported(`${where}.${extra[0]}`, `${where} has "${extra[0]}", which is not supported`);
    return { role, content: parseContent(`${where}.content`, message.content) };
  });
}

/** Parts become lines of one text. */
function parseContent(where: string, content: unknown): string {
  if (!Array.isArray(content)) return checkString(where, content);
  const lines = content.map((part: unknown, index) => {
    if (!isRecord(part) || part.type !== 'text') {
      throw invalidRequest(`${where}[${index}]`, 'a part of type "text"', part);
    }
    return checkString(`${where}[${index}].text`, part.text);
  });
  return lines.join('\n');
}

function parseSampling(given: Readonly<Record<string, unknown>>, limits: ChatLimits): SamplingOptions {
  const { samplingDefaults: defaults, vocab } = limits;
  const number = (name: string, range: NumberRange): number | undefined =>
    given[name] === undefined ? undefined : checkNumber(name, given[name], range);
  return {
    ...optional('temperature', number('temperature', { min: 0, max: 2 }) ?? defaults.temperature),
    ...optional('topP', number('top_p', { min: 0, max: 1 }) ?? defaults.topP),
    ...optional('topK', number('top_k', { min: 0, integer: true }) ?? defaults.topK),
    ...optional('minP', number('min_p', { min: 0, max: 1 }) ?? defaults.minP),
    ...optional(
      'repetitionPenalty',
      number('repetition_penalty', { above: 0 }) ?? defaults.repetitionPenalty,
    ),
    ...optional('frequencyPenalty', number('frequency_penalty', { min: -2, max: 2 })),
    ...optional('presencePenalty', number('presence_penalty', { min: -2, max: 2 })),
    ...optional('seed', number('seed', { min: 0, integer: true })),
    logitBias: checkLogitBias('logit_bias', given.logit_bias ?? {}, vocab, 100),
  };
}

function parseMaxTokens(given: Readonly<Record<string, unknown>>): number | undefined {
  const [older, newer] = ['max_tokens', 'max_completion_tokens'].map((name) =>
    given[name] === undefined ? undefined : checkNumber(name, given[name], { min: 1, integer: true }),
  );
  if (older !== undefined && newer !== undefined && older !== newer) {
    throw unsupported(
      'max_tokens',
      `max_tokens is ${older} and max_completion_tokens is ${newer}, but both mean the same`,
      'Leave max_tokens out.',
    );
  }
  return newer ?? older;
}

function parseTopLogprobs(given: Readonly<Record<string, unknown>>): number | undefined {
  const logprobs = checkBoolean('logprobs', given.logprobs ?? false);
  if (given.top_logprobs === undefined) return logprobs ? 0 : undefined;
  if (!logprobs) {
    throw unsupported('top_logprobs', 'top_logprobs needs logprobs', 'Set logprobs to true or leave it out.');
  }
  return checkNumber('top_logprobs', given.top_logprobs, { min: 0, max: 20, integer: true });
}

function parseIncludeUsage(options: unknown, stream: boolean): boolean {
  if (options === undefined) return false;
  if (!stream) throw unsupported('stream_options', 'stream_options needs stream: true');
  if (!isRecord(options)) throw invalidRequest('stream_options', 'an object', options);
  const unknown = Object.keys(options).find((name) => name !== 'include_usage' && options[name] !== null);
  if (unknown !== undefined) {
    throw unsupported(`stream_options.${unknown}`, `The stream option "${unknown}" is not supported`);
  }
  return checkBoolean('stream_options.include_usage', options.include_usage ?? false);
}

/** A record with the property, or without it when there is no value. */
function optional<K extends string, V>(name: K, value: V | undefined): { [key in K]?: V } {
  return (value === undefined ? {} : { [name]: value }) as { [key in K]?: V };
}
