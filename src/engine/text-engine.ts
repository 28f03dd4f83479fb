/** The engine as callers see it, built from a token engine and the model's text side. Runs in the worker or in Node. */

import { AppError } from '../errors.ts';
import type { Engine, GenerateRequest, GenerationEvent, MemoryPlan, ModelSummary } from './api.ts';
import { checkAttention } from './attention/check-attention.ts';
import type { LearnedMaps } from './attention/learned-maps.ts';
import { type ChatParts, createChatCompletions } from './chat/chat-completions.ts';
import { Generator, type TextStream } from './generate/generate.ts';
import { type PreparedRequest, prepareRequest } from './generate/prepare-request.ts';
import { loadPart } from './load-part.ts';
import type { TokenEngine } from './token-engine.ts';
import { checkString, checkTokens } from './validate.ts';

export interface TextEngineParts extends Pick<ChatParts, 'renderChat' | 'tokenBytes' | 'samplingDefaults'> {
  readonly tokens: TokenEngine;
  readonly model: ModelSummary;
  readonly plan: MemoryPlan;
  readonly learned: LearnedMaps;
  /** The model's own end tokens. */
  readonly endTokens: readonly number[];
  readonly encode: (text: string, options: { readonly addSpecialTokens: boolean }) => readonly number[];
  /** Special tokens included. */
  readonly decode: (tokens: readonly number[]) => string;
  /** Special tokens are dropped unless told. */
  readonly createTextStream: (options?: { readonly skipSpecialTokens?: boolean }) => TextStream;
}

/** What work loaded on demand needs of a text engine. */
export interface TextSide {
  readonly parts: TextEngineParts;
  readonly generator: Generator;
  /** Fires when the engine is disposed. */
  readonly disposal: AbortSignal;
}

/** `dispose` ends a running generation (reason "aborted") and frees what `tokens` holds. */
export function createTextEngine(parts: TextEngineParts): Engine {
  const { tokens, model, plan } = parts;
  const disposal = new AbortController();
  const generator = new Generator({
    tokens,
    createTextStream: parts.createTextStream,
    now: () => performance.now(),
  });
  const side: TextSide = { parts, generator, disposal: disposal.signal };
  const assertAlive = (): void => {
    if (!disposal.signal.aborted) return;
    throw new AppError('invalid-request', 'This engine has been disposed; create a new one.');
  };
  const prepare = (request: GenerateRequest): PreparedRequest => {
    assertAlive();
    return prepareRequest(request, {
      vocab: tokens.vocab,
      contextLength: tokens.contextLength,
      endTokens: parts.endTokens,
      encode: (text) => parts.encode(text, { addSpecialTokens: true }),
    });
  };
  const run = (request: PreparedRequest, signal: AbortSignal | undefined): AsyncIterable<GenerationEvent> =>
    generator.run(request, signal ? AbortSignal.any([signal, disposal.signal]) : disposal.signal);
  return {
    model,
    plan,
    chat: {
      completions: createChatCompletions({
        modelName: model.name,
        vocab: tokens.vocab,
        samplingDefaults: parts.samplingDefaults,
        renderChat: parts.renderChat,
        encode: (text) => parts.encode(text, { addSpecialTokens: false }),
        tokenBytes: parts.tokenBytes,
        prepare,
        run,
      }),
    },
    async *generate(request) {
      yield* run(prepare(request), request.signal);
    },
    async tokenize(text, options = {}) {
      const addSpecialTokens = options.addSpecialTokens ?? true;
      return [...parts.encode(checkString('text', text), { addSpecialTokens })];
    },
    async detokenize(ids) {
      return parts.decode(checkTokens('tokens', ids, tokens.vocab));
    },
    async setAttention(options) {
      assertAlive();
      await checkAttention(options, model.layers);
      tokens.setAttention(options);
    },
    async probe(options = {}) {
      assertAlive();
      return (await loadPart(import('./probe/look-into-step.ts'))).probeInTurn(side, options);
    },
    async attentionFacts() {
      assertAlive();
      return (await loadPart(import('./on-demand.ts'))).attentionFacts(side);
    },
    async *trainSignatures(request) {
      assertAlive();
      yield* (await loadPart(import('./train/learn-signatures.ts'))).learnSignatures(side, request);
    },
    async useSignatures(maps) {
      assertAlive();
      return (await loadPart(import('./on-demand.ts'))).useSignatures(side, maps);
    },
    async memory() {
      assertAlive();
      return tokens.memory();
    },
    async dispose() {
      if (disposal.signal.aborted) return;
      disposal.abort();
      tokens.dispose();
    },
  };
}
