/** The conversation as it happens: sends questions to the engine and folds what streams back. */
import { computed, type ReadonlySignal, type Signal, signal } from '@preact/signals';
import type { ChatCompletionChunk, ChatCompletions } from '../../engine/index.ts';
import {
  type AnswerState,
  ask,
  askInstead,
  type Conversation,
  clear,
  foldChunk,
  foldLateChunk,
  settle,
  toChatMessages,
  updateAnswer,
} from './conversation.ts';
import { faultFrom } from './fault.ts';
import type { FrameQueue } from './frame-queue.ts';
import { type SamplingSettings, type Settings, toRequestFields, withDefaults } from './settings.ts';

export interface ChatSession {
  readonly conversation: ReadonlySignal<Conversation>;
  readonly isAnswering: ReadonlySignal<boolean>;
  /** Asks at the end of the conversation. Resolves when the answer has ended, however it did; never rejects. */
  ask(question: string): Promise<void>;
  /** Cuts the conversation before a turn and asks this instead. */
  edit(turnId: number, question: string): Promise<void>;
  /** Answers the last question again. */
  regenerate(): Promise<void>;
  /** Ends the answer being written; its text stays. */
  stop(): void;
  /** Stops and starts an empty conversation. */
  clear(): void;
}

export interface ChatSurroundings {
  /** The loaded engine's chat, or null while none is ready. */
  readonly completions: () => ChatCompletions | null;
  readonly settings: ReadonlySignal<Settings>;
  /** The loaded model's sampling, where the settings say nothing. */
  readonly samplingDefaults: () => SamplingSettings;
  readonly frames: FrameQueue;
}

interface Running {
  readonly turnId: number;
  readonly abort: AbortController;
  /** Chunks since the last frame. */
  readonly chunks: ChatCompletionChunk[];
}

/** @param before what was said already. */
export function createChatSession(around: ChatSurroundings, before: Conversation): ChatSession {
  const conversation = signal(before);
  const running: Signal<Running | null> = signal(null);

  function fold(run: Running): void {
    const chunks = run.chunks.splice(0);
    if (chunks.length === 0) return;
    conversation.value = updateAnswer(conversation.peek(), run.turnId, (answer) =>
      chunks.reduce(foldChunk, answer),
    );
  }

  function end(run: Running, state: AnswerState & { kind: 'stopped' | 'failed' }): void {
    fold(run);
    conversation.value = updateAnswer(conversation.peek(), run.turnId, (answer) => settle(answer, state));
    if (running.peek() === run) running.value = null;
  }

  function stop(): void {
    const run = running.peek();
    if (!run) return;
    run.abort.abort();
    end(run, { kind: 'stopped' });
  }

  /** Answers the last turn of the conversation, which must be unanswered. */
  async function answerLast(): Promise<void> {
    const turn = conversation.peek().turns.at(-1);
    if (!turn) return;
    const run: Running = { turnId: turn.id, abort: new AbortController(), chunks: [] };
    running.value = run;
    const { signal: aborted } = run.abort;
    try {
      const completions = around.completions();
      if (!completions) {
        end(run, { kind: 'failed', fault: { code: 'invalid-request', message: 'No model is loaded.' } });
        return;
      }
      const { sampling, systemPrompt } = around.settings.peek();
      const stream = await completions.create(
        {
          ...toRequestFields(withDefaults(sampling, around.samplingDefaults())),
          messages: toChatMessages(conversation.peek(), systemPrompt),
          stream: true,
          stream_options: { include_usage: true },
        },
        { signal: aborted },
      );
      for await (const chunk of stream) {
        if (aborted.aborted) {
          conversation.value = updateAnswer(conversation.peek(), run.turnId, (answer) =>
            foldLateChunk(answer, chunk),
          );
          continue;
        }
        run.chunks.push(chunk);
        around.frames.request(() => {
          if (!aborted.aborted) fold(run);
        });
      }
      if (!aborted.aborted) end(run, { kind: 'stopped' });
    } catch (error) {
      if (aborted.aborted) return;
      const fault = faultFrom(error);
      end(run, fault.code === 'aborted' ? { kind: 'stopped' } : { kind: 'failed', fault });
    }
  }

  return {
    conversation,
    isAnswering: computed(() => running.value !== null),
    stop,
    ask: async (question) => {
      stop();
      conversation.value = ask(conversation.peek(), question);
      await answerLast();
    },
    edit: async (turnId, question) => {
      stop();
      const next = askInstead(conversation.peek(), turnId, question);
      if (next === conversation.peek()) return;
      conversation.value = next;
      await answerLast();
    },
    regenerate: async () => {
      stop();
      const last = conversation.peek().turns.at(-1);
      if (!last) return;
      conversation.value = askInstead(conversation.peek(), last.id, last.question);
      await answerLast();
    },
    clear: () => {
      stop();
      conversation.value = clear(conversation.peek());
    },
  };
}
