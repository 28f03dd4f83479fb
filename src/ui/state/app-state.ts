/** Everything the page's components share, made once by main and handed down by context. */
import { computed, effect, type ReadonlySignal, type Signal, signal } from '@preact/signals';
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { StoredModel } from '../../engine/index.ts';
import { attentionOptions } from './attention-settings.ts';
import { type ChatSession, createChatSession } from './chat-session.ts';
import { createFrameQueue } from './frame-queue.ts';
import { keepConversation, readKeptConversation } from './kept-conversation.ts';
import { emptyLearningDraft, type LearningDraft } from './learning-form.ts';
import { createLearningSession, type LearningSession } from './learning-session.ts';
import { createLookupSession, type LookupSession } from './lookup-session.ts';
import { emptyDraft, type ModelDraft } from './model-choice.ts';
import { createModelSession, type EngineDoor, type ModelSession } from './model-session.ts';
import type { PageConfig } from './page-config.ts';
import { persistedSignal } from './persisted.ts';
import { parseSettings, type Settings } from './settings.ts';

/** The models kept in this browser. */
export interface ModelStorage {
  list(): Promise<readonly StoredModel[]>;
  /** @throws AppError while the model is in use. */
  remove(id: string): Promise<void>;
}

/** At most one dialog is open. */
export type OpenDialog = 'none' | 'model' | 'settings' | 'lookup' | 'learning';

export interface AppState {
  readonly config: PageConfig;
  readonly settings: Signal<Settings>;
  readonly model: ModelSession;
  readonly storage: ModelStorage;
  readonly chat: ChatSession;
  readonly lookup: LookupSession;
  readonly learning: LearningSession;
  readonly learningDraft: Signal<LearningDraft>;
  readonly dialog: Signal<OpenDialog>;
  /** The model dialog's form, access token included: in memory only. */
  readonly draft: Signal<ModelDraft>;
  /** Sentence for screen readers; changing it has it read out. */
  readonly announcement: ReadonlySignal<string>;
  announce(sentence: string): void;
}

export function createAppState(door: EngineDoor, storage: ModelStorage, config: PageConfig): AppState {
  const settings = persistedSignal('pivotal.settings', parseSettings);
  const announcement = signal('');
  // Its own step: changes of other settings leave its value, and so the engine, alone.
  const attention = computed(() => settings.value.attention);
  const model = createModelSession(
    door,
    computed(() => attentionOptions(attention.value)),
  );
  const engine = () => {
    const state = model.state.peek();
    return state.kind === 'ready' ? state.engine : null;
  };
  const chat = createChatSession(
    {
      completions: () => engine()?.chat.completions ?? null,
      settings,
      samplingDefaults: model.samplingDefaults,
      frames: createFrameQueue(),
    },
    readKeptConversation(),
  );
  keepConversation(chat);
  // The KV cache grows while an answer is written, and a sparse one has had everything measured.
  effect(() => {
    if (chat.isAnswering.value) return;
    void model.refreshMemory();
    const live = chat.conversation.peek().turns.at(-1)?.answer.live;
    if (live && live.attendedTokens < live.contextTokens - 1) void model.refreshFacts();
  });
  const learning = createLearningSession(engine, () => void model.refreshFacts());
  const learningDraft = signal(emptyLearningDraft);
  // What is learned is learned for one model.
  let learner = engine();
  effect(() => {
    const ready = model.state.value.kind === 'ready' ? model.state.value.engine : null;
    if (ready !== learner) {
      learning.cancel();
      learningDraft.value = { ...learningDraft.peek(), steps: null, longest: null };
    }
    learner = ready;
  });
  return {
    config,
    settings,
    model,
    storage,
    chat,
    lookup: createLookupSession(engine, () => chat.isAnswering.peek()),
    learning,
    learningDraft,
    dialog: signal<OpenDialog>('none'),
    draft: signal<ModelDraft>({ ...emptyDraft, source: config.defaultModel ? 'default' : 'hub' }),
    announcement,
    announce: (sentence) => {
      announcement.value = sentence;
    },
  };
}

export const AppContext = createContext<AppState | null>(null);

export function useApp(): AppState {
  const app = useContext(AppContext);
  if (!app) throw new Error('Internal error: a component is outside AppContext.');
  return app;
}
