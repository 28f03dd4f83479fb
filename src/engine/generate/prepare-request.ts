/** Turns a caller's request into a checked one, before it waits for its turn. */
import { AppError } from '../../errors.ts';
import type { GenerateRequest, SamplingOptions } from '../api.ts';
import type { TokenRequest, TokenSampling } from '../token-engine.ts';
import {
  checkBoolean,
  checkLogitBias,
  checkNumber,
  checkStrings,
  checkTokens,
  isRecord,
} from '../validate.ts';

export interface PreparedRequest extends Omit<TokenRequest, 'signal'> {
  readonly stop: readonly string[];
}

/** What a request is checked against. */
export interface RequestLimits {
  readonly vocab: number;
  readonly contextLength: number;
  /** The model's own end tokens. */
  readonly endTokens: readonly number[];
  readonly encode: (text: string) => readonly number[];
}

/** @throws AppError "invalid-request" naming the parameter; "context-full" when the prompt leaves no room. */
export function prepareRequest(request: GenerateRequest, limits: RequestLimits): PreparedRequest {
  if (!isRecord(request)) throw new AppError('invalid-request', 'A generation request must be an object.');
  const { vocab, contextLength } = limits;
  const prompt =
    typeof request.prompt === 'string'
      ? limits.encode(request.prompt)
      : checkTokens('prompt', request.prompt, vocab);
  const room = roomFor(prompt.length, contextLength);
  const maxTokens = checkNumber('maxTokens', request.maxTokens ?? room, { min: 1, integer: true });
  const ignoreEos = checkBoolean('ignoreEos', request.ignoreEos ?? false);
  const stopTokens = checkTokens('stopTokens', request.stopTokens ?? [], vocab);
  return {
    prompt,
    maxTokens: Math.min(maxTokens, room),
    endTokens: ignoreEos ? stopTokens : [...limits.endTokens, ...stopTokens],
    stop: checkStrings('stop', request.stop ?? []),
    sampling: prepareSampling(request, vocab),
    topLogprobs:
      request.topLogprobs === undefined
        ? null
        : checkNumber('topLogprobs', request.topLogprobs, { min: 0, max: 20, integer: true }),
  };
}

function roomFor(promptTokens: number, contextLength: number): number {
  if (promptTokens === 0) {
    throw new AppError('invalid-request', 'The prompt has no tokens; it needs at least one.');
  }
  if (promptTokens >= contextLength) {
    throw new AppError(
      'context-full',
      `The prompt has ${promptTokens} tokens; this context holds ${contextLength}, and an answer needs at least one of them. ` +
        'Shorten the conversation, start a new one, or load the model with a longer context.',
      { details: { promptTokens, contextLength } },
    );
  }
  return contextLength - promptTokens;
}

function prepareSampling(options: SamplingOptions, vocab: number): TokenSampling {
  return {
    temperature: checkNumber('temperature', options.temperature ?? 1, { min: 0 }),
    topK: checkNumber('topK', options.topK ?? 0, { min: 0, integer: true }),
    topP: checkNumber('topP', options.topP ?? 1, { min: 0, max: 1 }),
    minP: checkNumber('minP', options.minP ?? 0, { min: 0, max: 1 }),
    repetitionPenalty: checkNumber('repetitionPenalty', options.repetitionPenalty ?? 1, { above: 0 }),
    frequencyPenalty: checkNumber('frequencyPenalty', options.frequencyPenalty ?? 0, {}),
    presencePenalty: checkNumber('presencePenalty', options.presencePenalty ?? 0, {}),
    logitBias: checkLogitBias('logitBias', options.logitBias ?? {}, vocab, Number.MAX_VALUE),
    seed: checkNumber('seed', options.seed ?? randomSeed(), { min: 0, integer: true }),
  };
}

/** 53 random bits: every non-negative safe integer. */
function randomSeed(): number {
  const [high, low] = crypto.getRandomValues(new Uint32Array(2));
  return (high! >>> 11) * 2 ** 32 + low!;
}
