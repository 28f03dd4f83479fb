/** The conversation as data, and every way it changes. Pure: a function takes a conversation and gives a new one. */
import type {
  ChatCompletionChunk,
  ChatFinishReason,
  ChatMessage,
  ChatUsage,
  Timings,
} from '../../engine/index.ts';
import type { Fault } from './fault.ts';

export type AnswerState =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'reading'; readonly doneTokens: number; readonly totalTokens: number }
  | { readonly kind: 'writing' }
  | { readonly kind: 'finished'; readonly reason: ChatFinishReason }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly fault: Fault };

export interface LiveFigures {
  readonly contextTokens: number;
  readonly attendedTokens: number;
  readonly attentionBytes: number;
  readonly denseAttentionBytes: number;
  readonly tokensPerSecond: number;
}

export interface Answer {
  readonly text: string;
  readonly state: AnswerState;
  readonly live: LiveFigures | null;
  /** Tokens of the conversation so far that needed no reading; null until that is known. */
  readonly cachedTokens: number | null;
  /** Of the prompt from the first token on, of the whole answer at its end. */
  readonly timings: Timings | null;
  readonly usage: ChatUsage | null;
}

/** A question and its answer. */
export interface Turn {
  /** Never reused within a page, so that late chunks of a replaced turn find nothing to change. */
  readonly id: number;
  readonly question: string;
  readonly answer: Answer;
}

export interface Conversation {
  readonly turns: readonly Turn[];
  readonly nextId: number;
}

export const emptyConversation: Conversation = { turns: [], nextId: 1 };

export const emptyAnswer: Answer = {
  text: '',
  state: { kind: 'waiting' },
  live: null,
  cachedTokens: null,
  timings: null,
  usage: null,
};

export function isSettled(answer: Answer): boolean {
  return (
    answer.state.kind === 'finished' || answer.state.kind === 'stopped' || answer.state.kind === 'failed'
  );
}

/** Adds a turn that waits for its answer. */
export function ask(conversation: Conversation, question: string): Conversation {
  const turn: Turn = { id: conversation.nextId, question, answer: emptyAnswer };
  return { turns: [...conversation.turns, turn], nextId: conversation.nextId + 1 };
}

/** Cuts the conversation before a turn and asks anew in its place; unchanged if the turn is gone. */
export function askInstead(conversation: Conversation, turnId: number, question: string): Conversation {
  const index = conversation.turns.findIndex((turn) => turn.id === turnId);
  if (index < 0) return conversation;
  return ask({ ...conversation, turns: conversation.turns.slice(0, index) }, question);
}

/** No turns, but ids go on: an answer still arriving cannot land in the next conversation. */
export function clear(conversation: Conversation): Conversation {
  return { ...conversation, turns: [] };
}

/** Changes the answer of one turn, keeping the identity of all others. */
export function updateAnswer(
  conversation: Conversation,
  turnId: number,
  change: (answer: Answer) => Answer,
): Conversation {
  const turns = conversation.turns.map((turn) =>
    turn.id === turnId ? { ...turn, answer: change(turn.answer) } : turn,
  );
  return { ...conversation, turns };
}

/** Folds one streamed chunk into an answer. */
export function foldChunk(answer: Answer, chunk: ChatCompletionChunk): Answer {
  const choice = chunk.choices[0];
  const content = choice?.delta.content ?? '';
  const finish = choice?.finish_reason ?? null;
  let state = answer.state;
  if (finish !== null) state = { kind: 'finished', reason: finish };
  else if (isSettled(answer)) state = answer.state;
  else if (chunk.live !== undefined || content !== '') state = { kind: 'writing' };
  else if (chunk.prefill !== undefined) {
    state = {
      kind: 'reading',
      doneTokens: chunk.prefill.done_tokens,
      totalTokens: chunk.prefill.total_tokens,
    };
  }
  return {
    text: answer.text + content,
    state,
    live: chunk.live
      ? {
          contextTokens: chunk.live.context_tokens,
          attendedTokens: chunk.live.attended_tokens,
          attentionBytes: chunk.live.attention_bytes,
          denseAttentionBytes: chunk.live.dense_attention_bytes,
          tokensPerSecond: chunk.live.tokens_per_second,
        }
      : answer.live,
    cachedTokens: chunk.prefill?.cached_tokens ?? answer.cachedTokens,
    timings: chunk.timings ?? answer.timings,
    usage: chunk.usage ?? answer.usage,
  };
}

/** Folds what comes after an answer was stopped: what it took, as measured; no more text. */
export function foldLateChunk(answer: Answer, chunk: ChatCompletionChunk): Answer {
  return { ...answer, timings: chunk.timings ?? answer.timings, usage: chunk.usage ?? answer.usage };
}

/** Ends an unfinished answer, keeping its text; a finished one stays as it is. */
export function settle(answer: Answer, state: AnswerState & { kind: 'stopped' | 'failed' }): Answer {
  return isSettled(answer) ? answer : { ...answer, state };
}

/** The messages to send for the last turn: the system prompt, then questions and answers in order.
 *  An answer without text is left out and its question joined to the next one, since chat templates
 *  want roles to alternate. */
export function toChatMessages(conversation: Conversation, systemPrompt: string): ChatMessage[] {
  const messages: ChatMessage[] = [];
  if (systemPrompt.trim() !== '') messages.push({ role: 'system', content: systemPrompt });
  let open = '';
  for (const { question, answer } of conversation.turns) {
    open = open === '' ? question : `${open}\n\n${question}`;
    if (answer.text === '') continue;
    messages.push({ role: 'user', content: open }, { role: 'assistant', content: answer.text });
    open = '';
  }
  if (open !== '') messages.push({ role: 'user', content: open });
  return messages;
}
