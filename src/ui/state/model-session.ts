/** The one loaded model: loading it, losing it, replacing it. Knows nothing of the conversation. */
import { batch, computed, effect, type ReadonlySignal, signal } from '@preact/signals';
import type {
  AttentionFacts,
  AttentionOptions,
  Engine,
  EngineOptions,
  LoadProgress,
  MemoryPlan,
  MemoryUse,
} from '../../engine/index.ts';
import { type Fault, faultFrom } from './fault.ts';
import type { ModelChoice } from './model-choice.ts';
import { type SamplingSettings, unsetSampling } from './settings.ts';

/** What the page needs of the engine; the real functions are passed in once, by main. */
export interface EngineDoor {
  createEngine(options: EngineOptions): Promise<Engine>;
  planModel(options: EngineOptions): Promise<MemoryPlan>;
}

export type ModelState =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'loading';
      readonly choice: ModelChoice;
      readonly plan: MemoryPlan | null;
      readonly progress: LoadProgress | null;
    }
  | { readonly kind: 'ready'; readonly choice: ModelChoice; readonly engine: Engine }
  | { readonly kind: 'failed'; readonly choice: ModelChoice; readonly fault: Fault };

export interface ModelSession {
  readonly state: ReadonlySignal<ModelState>;
  /** Why loading has to wait; null while it goes on. */
  readonly waiting: ReadonlySignal<string | null>;
  /** Why the engine is rebuilding itself after losing its device; null while all is well. */
  readonly recovering: ReadonlySignal<string | null>;
  /** What went wrong without stopping anything, e.g. no room to keep the download; each text once. */
  readonly warnings: ReadonlySignal<readonly string[]>;
  /** The warnings have been read. */
  dismissWarnings(): void;
  readonly memory: ReadonlySignal<MemoryUse | null>;
  /** Of sparse attention with the loaded model on this device; null until asked for, see `refreshFacts`. */
  readonly facts: ReadonlySignal<AttentionFacts | null>;
  /** Good sampling values of the chosen model, as far as the page knows any. */
  samplingDefaults(): SamplingSettings;
  /** What a choice would take, without downloading weights. @throws AppError */
  plan(choice: ModelChoice, signal: AbortSignal): Promise<MemoryPlan>;
  /** Frees the loaded model and loads another; never rejects: failures are a state. */
  load(choice: ModelChoice): Promise<void>;
  /** Loads the last choice again. */
  reload(): Promise<void>;
  cancel(): void;
  refreshMemory(): Promise<void>;
  /** Has the engine load what sparse attention needs and measure; asked again meanwhile, it asks once more. */
  refreshFacts(): Promise<void>;
}

/** attention: what the loaded model uses, from the moment it is ready and at every change; while it loads, the engine gets
 *  ready for it. */
export function createModelSession(
  door: EngineDoor,
  attention: ReadonlySignal<AttentionOptions>,
): ModelSession {
  const state = signal<ModelState>({ kind: 'none' });
  const waiting = signal<string | null>(null);
  const recovering = signal<string | null>(null);
  const ofEngine = signal<readonly string[]>([]);
  /** Why the attention of the settings is not in use; null while it is. */
  const refusal = signal<string | null>(null);
  const warnings = computed(() => [
    ...new Set([...ofEngine.value, ...(refusal.value ? [refusal.value] : [])]),
  ]);
  const memory = signal<MemoryUse | null>(null);
  const facts = signal<AttentionFacts | null>(null);
  let asking: { again: boolean } | null = null;
  let loading = new AbortController();
  let engine: Engine | null = null;

  effect(() => {
    const current = state.value;
    const options = attention.value;
    if (current.kind !== 'ready') return;
    current.engine.setAttention(options).then(
      () => {
        if (state.peek() !== current || attention.peek() !== options) return;
        refusal.value = null;
        // What was known held for the options before.
        if (facts.peek() !== null) void refreshFacts();
      },
      (error: unknown) => {
        const isPresent = state.peek() === current && attention.peek() === options;
        if (isPresent) refusal.value = faultFrom(error).message;
      },
    );
  });

  /** Frees the engine in use, if any; one that is broken already has nothing left to free. */
  async function dispose(): Promise<void> {
    const old = engine;
    engine = null;
    await old?.dispose().catch(() => {});
  }

  async function load(choice: ModelChoice): Promise<void> {
    loading.abort();
    const attempt = new AbortController();
    loading = attempt;
    const { signal } = attempt;
    batch(() => {
      state.value = { kind: 'loading', choice, plan: null, progress: null };
      waiting.value = null;
      recovering.value = null;
      ofEngine.value = [];
      refusal.value = null;
      memory.value = null;
      facts.value = null;
    });
    const change = (next: ModelState) => {
      if (loading === attempt) state.value = next;
    };
    try {
      await dispose();
      const plan = await door.planModel({
        ...choice.options,
        signal,
        onStatus: (status) => {
          if (loading === attempt && status.kind === 'waiting') waiting.value = status.reason;
        },
      });
      if (plan.problems.length > 0) {
        change({
          kind: 'failed',
          choice,
          fault: { code: 'limit-exceeded', message: plan.problems.join(' ') },
        });
        return;
      }
      waiting.value = null;
      change({ kind: 'loading', choice, plan, progress: null });
      const loaded = await door.createEngine({
        ...choice.options,
        attention: forAnyModel(attention.peek()),
        signal,
        onProgress: (progress) => {
          const current = state.peek();
          if (current.kind !== 'loading') return;
          batch(() => {
            if (loading === attempt) waiting.value = null;
            change({ ...current, progress });
          });
        },
        onStatus: (status) => {
          if (loading !== attempt) return;
          switch (status.kind) {
            case 'ready':
              recovering.value = null;
              return;
            case 'waiting':
              if (state.peek().kind === 'loading') waiting.value = status.reason;
              return;
            case 'warning':
              ofEngine.value = [...ofEngine.value, status.warning.message];
              return;
            case 'recovering':
              recovering.value = status.reason;
              return;
            case 'failed':
              batch(() => {
                recovering.value = null;
                state.value = { kind: 'failed', choice, fault: faultFrom(status.error) };
              });
              void dispose();
              return;
            default:
              return status satisfies never;
          }
        },
      });
      if (loading !== attempt || signal.aborted) {
        await loaded.dispose();
        return;
      }
      engine = loaded;
      change({ kind: 'ready', choice, engine });
      await refreshMemory();
    } catch (error) {
      if (!signal.aborted) change({ kind: 'failed', choice, fault: faultFrom(error) });
    }
  }

  async function refreshMemory(): Promise<void> {
    if (engine === null) return;
    try {
      memory.value = await engine.memory();
    } catch {
      memory.value = null; // The engine is gone or recovering: its own status says so.
    }
  }

  async function refreshFacts(): Promise<void> {
    if (asking) {
      asking.again = true;
      return;
    }
    const asked = engine;
    if (asked === null) return;
    const own = { again: false };
    asking = own;
    try {
      do {
        own.again = false;
        const found = await asked.attentionFacts();
        if (engine === asked) facts.value = found;
      } while (own.again && engine === asked);
    } catch {
      // The engine is gone or refuses these options: its status, or the warning of setting them, says so.
    } finally {
      asking = null;
    }
  }

  return {
    state,
    waiting,
    recovering,
    warnings,
    memory,
    facts,
    load,
    refreshMemory,
    refreshFacts,
    dismissWarnings: () =>
      batch(() => {
        ofEngine.value = [];
        refusal.value = null;
      }),
    samplingDefaults: () => (state.value.kind === 'none' ? unsetSampling : state.value.choice.sampling),
    plan: (choice, signal) => door.planModel({ ...choice.options, signal }),
    reload: async () => {
      const current = state.peek();
      if (current.kind !== 'none') await load(current.choice);
    },
    cancel: () => {
      const current = state.peek();
      if (current.kind !== 'loading') return;
      loading.abort();
      state.value = {
        kind: 'failed',
        choice: current.choice,
        fault: { code: 'aborted', message: 'You stopped loading. What was downloaded is kept.' },
      };
    },
  };
}

/** Without what a model may refuse for its number of layers, which would fail the load. */
function forAnyModel(options: AttentionOptions): AttentionOptions {
  if (options.mode !== 'hash') return { mode: 'dense' };
  const { denseLayers: _, layerBudgets: __, ...others } = options;
  return others;
}
