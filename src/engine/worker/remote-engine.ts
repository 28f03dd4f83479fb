/** The engine as the page sees it: every method is a message to the worker. */
import type { Engine, MemoryPlan, ModelSummary } from '../api.ts';
import type { ChatCompletionRequest, ChatCompletions } from '../chat/chat-types.ts';
import type { Connection } from './connection.ts';

/** `close` ends the worker; it is called at most once. */
export function createRemoteEngine(
  connection: Connection,
  loaded: { readonly model: ModelSummary; readonly plan: MemoryPlan },
  close: () => Promise<void>,
): Engine {
  let closing: Promise<void> | undefined;
  const create = (request: ChatCompletionRequest, { signal }: { readonly signal?: AbortSignal } = {}) =>
    request?.stream === true
      ? connection.open('chat', request, signal)
      : connection.call('complete', request, signal);
  return {
    ...loaded,
    chat: { completions: { create: create as ChatCompletions['create'] } },
    async *generate(request) {
      const { signal, ...plain } = request;
      yield* await connection.open('generate', plain, signal);
    },
    tokenize: (text, options = {}) =>
      connection.call('tokenize', { text, addSpecialTokens: options.addSpecialTokens ?? true }),
    detokenize: (tokens) => connection.call('detokenize', tokens),
    async setAttention(options) {
      await connection.call('setAttention', options);
    },
    probe: ({ signal, ...options } = {}) => connection.call('probe', options, signal),
    attentionFacts: () => connection.call('attentionFacts', null),
    async *trainSignatures({ signal, ...request }) {
      yield* await connection.open('train', request, signal);
    },
    useSignatures: (maps) => connection.call('useSignatures', maps),
    memory: () => connection.call('memory', null),
    dispose() {
      closing ??= close();
      return closing;
    },
  };
}
