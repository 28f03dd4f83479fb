/** The conversation over a reload of the page: words and endings, in the tab's own storage, which goes when the tab does. */
import { effect, type ReadonlySignal } from '@preact/signals';
import {
  type AnswerState,
  ask,
  type Conversation,
  emptyAnswer,
  emptyConversation,
  updateAnswer,
} from './conversation.ts';

const key = 'pivotal.conversation';

interface KeptTurn {
  readonly question: string;
  readonly text: string;
  /** Absent: it was stopped, failed, or cut by the reload. */
  readonly reason?: 'stop' | 'length';
}

/** Keeps what is said from now on, at every question and at every end of an answer, and what there is of one when the
 *  page goes. Storage may be full or refused: then nothing is kept. */
export function keepConversation(chat: {
  readonly conversation: ReadonlySignal<Conversation>;
  readonly isAnswering: ReadonlySignal<boolean>;
}): void {
  const keep = (conversation: Conversation) => {
    try {
      sessionStorage.setItem(key, JSON.stringify(keptTurns(conversation)));
    } catch {
      // it lasts as long as the page
    }
  };
  effect(() => keep(chat.isAnswering.value ? chat.conversation.peek() : chat.conversation.value));
  addEventListener('pagehide', () => keep(chat.conversation.peek()));
}

/** Of a conversation what is kept. */
export function keptTurns({ turns }: Conversation): readonly KeptTurn[] {
  return turns.map(({ question, answer: { text, state } }) => ({
    ...{ question, text },
    ...(state.kind === 'finished' ? { reason: state.reason } : {}),
  }));
}

/** The conversation that this tab held before; empty when there was none. */
export function readKeptConversation(): Conversation {
  try {
    return parseConversation(JSON.parse(sessionStorage.getItem(key) ?? '[]'));
  } catch {
    return emptyConversation;
  }
}

/** From stored JSON of any shape: turns that are none are left out. */
export function parseConversation(stored: unknown): Conversation {
  const turns = Array.isArray(stored) ? stored.filter(isKeptTurn) : [];
  return turns.reduce((conversation, { question, text, reason }) => {
    const asked = ask(conversation, question);
    const state: AnswerState = reason ? { kind: 'finished', reason } : { kind: 'stopped' };
    return updateAnswer(asked, conversation.nextId, () => ({ ...emptyAnswer, text, state }));
  }, emptyConversation);
}

function isKeptTurn(value: unknown): value is KeptTurn {
  if (typeof value !== 'object' || value === null) return false;
  const { question, text, reason } = value as Readonly<Record<string, unknown>>;
  const isEnding = reason === undefined || reason === 'stop' || reason === 'length';
  return typeof question === 'string' && typeof text === 'string' && isEnding;
}
