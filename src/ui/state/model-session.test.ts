import { signal } from '@preact/signals';
import { describe, expect, test } from 'vitest';
import { promised } from '../../../test/support/promised.ts';
import {
  AppError,
  type AttentionFacts,
  type AttentionOptions,
  type Engine,
  type EngineOptions,
  type MemoryPlan,
} from '../../engine/index.ts';
import type { ModelChoice } from './model-choice.ts';
import { createModelSession } from './model-session.ts';
import { unsetSampling } from './settings.ts';

const choice = (label: string): ModelChoice => ({
  label,
  sampling: unsetSampling,
  options: { model: label },
});

interface Pending {
  readonly options: EngineOptions;
  resolve(engine: Engine): void;
  reject(error: unknown): void;
}

function setUp(problems: readonly string[] = [], planned: Promise<void> = Promise.resolve()) {
  const engines: Pending[] = [];
  const disposed: string[] = [];
  const attention = signal<AttentionOptions>({ mode: 'dense' });
  const applied: string[] = [];
  const plans: EngineOptions[] = [];
  const session = createModelSession(
    {
      planModel: async (options) => {
        plans.push(options);
        await planned;
        return { problems } as unknown as MemoryPlan;
      },
      createEngine: (options) =>
        new Promise((resolve, reject) => {
          engines.push({ options, resolve, reject });
        }),
    },
    attention,
  );
  const engine = (name: string) =>
    ({
      model: { name },
      setAttention: async ({ mode }: AttentionOptions) => {
        applied.push(`${name} ${mode}`);
        if (name === 'refusing' && mode !== 'dense') throw new AppError('invalid-request', `not ${mode}`);
      },
      memory: async () => ({ weightBytes: 1, kvCacheBytes: 2, scratchBytes: 3 }),
      dispose: async () => {
        disposed.push(name);
      },
    }) as unknown as Engine;
  return { session, attention, applied, plans, engines, disposed, engine };
}

const settled = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

describe('the model session', () => {
  test('loads with progress, then is ready with its memory', async () => {
    const { session, engines, engine } = setUp();
    const loading = session.load(choice('a'));
    await settled();
    const progress = {
      stage: 'weights',
      loadedBytes: 1,
      totalBytes: 2,
      fromStorageBytes: 0,
      bytesPerSecond: 3,
    } as const;
    engines[0]!.options.onProgress?.(progress);
    expect(session.state.value).toMatchObject({ kind: 'loading', progress });
    engines[0]!.resolve(engine('a'));
    await loading;
    expect(session.state.value.kind).toBe('ready');
    expect(session.memory.value).toEqual({ weightBytes: 1, kvCacheBytes: 2, scratchBytes: 3 });
  });

  test('has the engine get ready for the attention wanted, without what the model might refuse', async () => {
    const { session, attention, engines } = setUp();
    const automatic = { mode: 'hash', sink: 64, budget: { fraction: 1 / 32 } } as const;
    attention.value = { ...automatic, denseLayers: [0, 999], layerBudgets: [1, 2] };
    void session.load(choice('a'));
    await settled();
    expect(engines[0]!.options.attention).toEqual(automatic);
    attention.value = { mode: 'random', denseLayers: [999] };
    void session.load(choice('b'));
    await settled();
    expect(engines[1]!.options.attention).toEqual({ mode: 'dense' });
  });

  test('says why it has to wait, until it goes on', async () => {
    const planned = promised<void>();
    const { session, plans, engines, engine } = setUp([], planned.promise);
    const loading = session.load(choice('a'));
    await settled();
    plans[0]!.onStatus?.({ kind: 'waiting', reason: 'another tab' });
    expect(session.waiting.value).toBe('another tab');
    plans[0]!.onStatus?.({ kind: 'waiting', reason: null });
    expect(session.waiting.value).toBeNull();
    plans[0]!.onStatus?.({ kind: 'waiting', reason: 'another tab again' });
    planned.resolve();
    await settled();
    expect(session.waiting.value, 'planned').toBeNull();
    const { onStatus, onProgress } = engines[0]!.options;
    onStatus?.({ kind: 'waiting', reason: 'no answer' });
    expect(session.waiting.value).toBe('no answer');
    const nothing = { loadedBytes: 0, totalBytes: 0, fromStorageBytes: 0, bytesPerSecond: 0 };
    onProgress?.({ stage: 'weights', ...nothing });
    expect(session.waiting.value, 'going on').toBeNull();
    engines[0]!.resolve(engine('a'));
    await loading;
    onStatus?.({ kind: 'waiting', reason: 'for maps, which nobody waits for' });
    expect(session.waiting.value, 'loaded').toBeNull();
    onStatus?.({ kind: 'waiting', reason: null });
    void session.load(choice('b'));
    onStatus?.({ kind: 'waiting', reason: 'of a load given up' });
    plans[0]!.onStatus?.({ kind: 'waiting', reason: 'of a load given up' });
    expect(session.waiting.value).toBeNull();
  });

  test('a plan with problems is shown instead of a download', async () => {
    const { session, engines } = setUp(['Too big.']);
    await session.load(choice('a'));
    expect(session.state.value).toMatchObject({
      kind: 'failed',
      fault: { code: 'limit-exceeded', message: 'Too big.' },
    });
    expect(engines).toHaveLength(0);
  });

  test('a second load wins: the first is aborted and its engine disposed when it comes late', async () => {
    const { session, engines, disposed, engine } = setUp();
    const first = session.load(choice('a'));
    await settled();
    const second = session.load(choice('b'));
    await settled();
    expect(engines[0]!.options.signal?.aborted).toBe(true);
    engines[1]!.resolve(engine('b'));
    await second;
    engines[0]!.resolve(engine('a'));
    await first;
    expect(disposed).toEqual(['a']);
    expect(session.state.value).toMatchObject({ kind: 'ready', engine: { model: { name: 'b' } } });
  });

  test('loading another model disposes the one in use first', async () => {
    const { session, engines, disposed, engine } = setUp();
    const first = session.load(choice('a'));
    await settled();
    engines[0]!.resolve(engine('a'));
    await first;
    void session.load(choice('b'));
    await settled();
    expect(disposed).toEqual(['a']);
  });

  test('a failure names its code and can be tried again', async () => {
    const { session, engines, engine } = setUp();
    const loading = session.load(choice('a'));
    await settled();
    engines[0]!.reject(new AppError('download-failed', 'cut'));
    await loading;
    expect(session.state.value).toMatchObject({ kind: 'failed', fault: { code: 'download-failed' } });
    const again = session.reload();
    await settled();
    engines[1]!.resolve(engine('a'));
    await again;
    expect(session.state.value.kind).toBe('ready');
  });

  test('a cancelled load says so and a late engine is disposed', async () => {
    const { session, engines, disposed, engine } = setUp();
    const loading = session.load(choice('a'));
    await settled();
    session.cancel();
    expect(session.state.value).toMatchObject({ kind: 'failed', fault: { code: 'aborted' } });
    engines[0]!.resolve(engine('a'));
    await loading;
    expect(disposed).toEqual(['a']);
    expect(session.state.value).toMatchObject({ kind: 'failed', fault: { code: 'aborted' } });
  });

  test('warnings are kept, each once, until they are dismissed or another model is loaded', async () => {
    const { session, engines, engine } = setUp();
    const loading = session.load(choice('a'));
    await settled();
    const full = { kind: 'warning', warning: { code: 'storage-full', message: 'no room' } } as const;
    engines[0]!.options.onStatus?.(full);
    engines[0]!.options.onStatus?.(full);
    engines[0]!.resolve(engine('a'));
    await loading;
    expect(session.warnings.value).toEqual(['no room']);
    expect(session.state.value.kind).toBe('ready');
    session.dismissWarnings();
    expect(session.warnings.value).toEqual([]);
    engines[0]!.options.onStatus?.(full);
    expect(session.warnings.value).toEqual(['no room']);
    void session.load(choice('b'));
    await settled();
    expect(session.warnings.value).toEqual([]);
  });

  test('a lost device shows as recovering and passes; a final failure becomes the state', async () => {
    const { session, engines, disposed, engine } = setUp();
    const loading = session.load(choice('a'));
    await settled();
    engines[0]!.resolve(engine('a'));
    await loading;
    const { onStatus } = engines[0]!.options;
    onStatus?.({ kind: 'recovering', reason: 'reset' });
    expect(session.recovering.value).toBe('reset');
    expect(session.state.value.kind).toBe('ready');
    onStatus?.({ kind: 'ready' });
    expect(session.recovering.value).toBe(null);
    onStatus?.({ kind: 'failed', error: { code: 'device-lost', message: 'gave up' } });
    expect(session.state.value).toMatchObject({
      kind: 'failed',
      fault: { code: 'device-lost', message: 'gave up' },
    });
    expect(disposed).toEqual(['a']);
  });

  test('attention is set when a model becomes ready and at every change, never while none is', async () => {
    const { session, attention, applied, engines, engine } = setUp();
    const loading = session.load(choice('a'));
    await settled();
    attention.value = { mode: 'hash' };
    expect(applied).toEqual([]);
    engines[0]!.resolve(engine('a'));
    await loading;
    expect(applied).toEqual(['a hash']);
    attention.value = { mode: 'dense' };
    expect(applied).toEqual(['a hash', 'a dense']);
    const next = session.load(choice('b'));
    await settled();
    engines[1]!.resolve(engine('b'));
    await next;
    expect(applied).toEqual(['a hash', 'a dense', 'b dense']);
  });

  test('facts are asked for on request, one at a time, and again when attention changes', async () => {
    const { session, attention, engines, engine } = setUp();
    const answers: ((facts: AttentionFacts) => void)[] = [];
    const facts = (crossoverTokens: number): AttentionFacts => ({
      ...{ crossoverTokens, maps: 'trained', score: 'asymmetric', bits: 32, sharing: 'kv-head' },
      layerBudgets: null,
    });
    const curious = {
      ...engine('a'),
      attentionFacts: () => new Promise((resolve) => answers.push(resolve)),
    } as Engine;
    await session.refreshFacts();
    const loading = session.load(choice('a'));
    await settled();
    engines[0]!.resolve(curious);
    await loading;
    attention.value = { mode: 'hash' };
    await settled();
    expect(answers.length).toBe(0);
    const first = session.refreshFacts();
    await session.refreshFacts();
    expect(answers.length).toBe(1);
    answers[0]!(facts(100));
    await settled();
    expect(answers.length, 'asked once more, as it was asked for meanwhile').toBe(2);
    answers[1]!(facts(200));
    await first;
    expect(session.facts.value?.crossoverTokens).toBe(200);
    attention.value = { mode: 'dense' };
    await settled();
    expect(answers.length).toBe(3);
    void session.load(choice('b'));
    expect(session.facts.value).toBe(null);
    answers[2]!(facts(300));
    await settled();
    expect(session.facts.value, 'of a model that is gone').toBe(null);
  });

  test('attention that an engine refuses is a warning until another is accepted; the model stays', async () => {
    const { session, attention, engines, engine } = setUp();
    const loading = session.load(choice('refusing'));
    await settled();
    engines[0]!.resolve(engine('refusing'));
    await loading;
    attention.value = { mode: 'hash' };
    await settled();
    expect(session.warnings.value).toEqual(['not hash']);
    attention.value = { mode: 'dense' };
    await settled();
    expect(session.warnings.value).toEqual([]);
    expect(session.state.value.kind).toBe('ready');
  });
});
