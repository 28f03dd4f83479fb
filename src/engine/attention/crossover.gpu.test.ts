/** Where HashAttention begins by itself, and what the engine says of it. */
import { afterEach, describe, expect, test } from 'vitest';
import { greedyRequest } from '../../../test/support/golden.ts';
import { openNetwork } from '../../../test/support/open-network.ts';
import { promised } from '../../../test/support/promised.ts';
import { MemorySource, readTinyModel } from '../../../test/support/test-files.ts';
import { AppError } from '../../errors.ts';
import { Random, runSeed } from '../../kernels/testing/random.ts';
import { withGpu } from '../../kernels/testing/with-gpu.ts';
import { hashMapsFile } from '../../model/hash-maps.ts';
import type { AttentionFacts, EngineStatus, HashAttentionOptions } from '../api.ts';
import { GpuTokenEngine } from '../gpu-token-engine.ts';
import { openModel } from '../load/open-model.ts';
import type { Network } from '../network/network.ts';
import { openSession, planSession } from '../open-session.ts';
import { agreedValue, crossingOf } from './crossover.ts';
import type { CrossoverRecord } from './crossover-record.ts';
import { untrainedMaps } from './model-hash-maps.ts';

/** A device that has been measured already, whatever is asked. */
class Measured extends Map<string, Promise<number | null>> {
  readonly tokens: number | null;
  constructor(tokens: number | null) {
    super();
    this.tokens = tokens;
  }
  override get(): Promise<number | null> {
    return Promise.resolve(this.tokens);
  }
}

/** Whose maps cannot be asked for once there is a fault. */
class Unreachable extends MemorySource {
  fault: AppError | null = null;
  override async stat(path: string) {
    if (this.fault && path === hashMapsFile) throw this.fault;
    return super.stat(path);
  }
}

const options = { mode: 'hash', sink: 2, window: 4, budget: { tokens: 5 } } as const;

test('two lines cross where they cross', () => {
  const at = (short: number, long: number) =>
    crossingOf({ tokens: 1000, loss: short }, { tokens: 5000, loss: long });
  expect(at(2, -2)).toBe(3000);
  expect(at(3, 1)).toBe(7000);
  expect(at(-0.1, -8.1)).toBe(950);
  expect(at(-1, -3)).toBe(0);
  expect(at(-3, -1)).toBe(0);
  expect(at(1, 1)).toBe(Number.POSITIVE_INFINITY);
  expect(at(1, 2)).toBe(Number.POSITIVE_INFINITY);
  expect(at(-1, 2)).toBe(Number.POSITIVE_INFINITY);
});

test('measures until two agree, five times at most', async () => {
  const agreedOf = async (...values: number[]) => {
    const left = [...values];
    const value = await agreedValue(async () => left.shift()!);
    return { value, measured: values.length - left.length };
  };
  const none = Number.POSITIVE_INFINITY;
  expect(await agreedOf(1000, 1080, 1)).toEqual({ value: 1040, measured: 2 });
  expect(await agreedOf(1000, 5000, none, 1090, 1)).toEqual({ value: 1045, measured: 4 });
  expect(await agreedOf(none, 300, none, 1)).toEqual({ value: none, measured: 3 });
  expect(await agreedOf(none, 100, 800, 400, 200, 1)).toEqual({ value: 400, measured: 5 });
});

function factsOf(engine: GpuTokenEngine): Promise<AttentionFacts> {
  return engine.withNetwork(({ network }) => network.attentionFacts());
}

describe(`automatic HashAttention (seed ${runSeed})`, () => {
  const gpu = withGpu();
  const random = new Random(runSeed);
  const opened: Network[] = [];
  afterEach(() => {
    for (const network of opened.splice(0)) network.dispose();
  });

  async function open(
    crossovers: CrossoverRecord,
    more: Parameters<typeof openNetwork>[2] = {},
  ): Promise<{ network: Network; engine: GpuTokenEngine }> {
    const source = new MemorySource(await readTinyModel('llama-f32'));
    const network = await openNetwork(gpu(), source, { context: 512, crossovers, ...more });
    opened.push(network);
    return { network, engine: new GpuTokenEngine(gpu(), network) };
  }

  /** Context and attended tokens of the steps of an answer. */
  async function steps(engine: GpuTokenEngine, wanted: HashAttentionOptions, prompt: number, count: number) {
    engine.setAttention(wanted);
    const ids = Array.from({ length: prompt }, () => random.integer(0, 255));
    const seen: { n: number; attended: number }[] = [];
    for await (const event of engine.generateTokens(greedyRequest(ids, count))) {
      if (event.kind === 'token') seen.push({ n: event.contextTokens - 1, attended: event.attendedTokens });
    }
    return seen.slice(1);
  }

  test('begins at the crossover measured, and at no length where there is none', async () => {
    const all = { ...options, denseLayers: [] };
    const { engine, network } = await open(new Measured(50));
    await network.prepareSparse();
    for (const { n, attended } of await steps(engine, all, 40, 20)) {
      expect(attended, `${n} tokens`).toBe(n < 50 ? n : 11);
    }
    const never = await open(new Measured(null));
    for (const { n, attended } of await steps(never.engine, all, 60, 6)) expect(attended).toBe(n);
  });

  test('maps that do not fit are used only where they are asked for', async () => {
    const maps = untrainedMaps(gpu(), (await open(new Map())).network.config);
    const warning = 'not these';
    const { engine } = await open(new Measured(20), {
      openHashMaps: async () => ({
        ...maps,
        warning,
        load: async () => ({ ...(await maps.load()), warning }),
      }),
    });
    expect(await factsOf(engine)).toMatchObject({ crossoverTokens: 20, mapsWarning: warning });
    const all = { ...options, denseLayers: [] };
    for (const { n, attended } of await steps(engine, all, 60, 6)) expect(attended).toBe(n);
    const forced = await steps(engine, { ...all, denseBelow: 0 }, 60, 6);
    for (const { attended } of forced) expect(attended).toBe(11);
  });

  test('a model without maps says so; its crossover is measured once for the same options', async () => {
    const record: CrossoverRecord = new Map();
    const { engine } = await open(record);
    engine.setAttention(options);
    const facts = await factsOf(engine);
    const { crossoverTokens } = facts;
    expect(facts).toEqual({
      ...{ crossoverTokens, maps: 'untrained', score: 'asymmetric', bits: 32, sharing: 'kv-head' },
      layerBudgets: null,
    });
    if (crossoverTokens !== null) {
      expect(crossoverTokens).toBeGreaterThanOrEqual(2 + 4 + 1);
      expect(crossoverTokens).toBeLessThanOrEqual(512);
    }
    expect(await Promise.all(record.values())).toEqual([crossoverTokens]);
    await factsOf(engine);
    engine.setAttention({ ...options, denseLayers: [], tail: 'blocks', layerBudgets: [1, 2, 3] });
    await factsOf(engine);
    expect(record.size).toBe(1);
    engine.setAttention({ ...options, budget: { tokens: 6 } });
    await factsOf(engine);
    expect(record.size).toBe(2);
    // another session on the same device, as after a loss, finds what was measured
    const again = await open(record);
    again.engine.setAttention(options);
    expect(await factsOf(again.engine)).toEqual(facts);
    expect(record.size).toBe(2);
  });

  /** Maps of a tiny model whose reading the test settles. */
  async function openAwaited(crossover: number | null) {
    const { config } = (await open(new Map())).network;
    const maps = untrainedMaps(gpu(), config);
    const reading = { count: 0, ...promised<void>() };
    reading.promise.catch(() => undefined); // may fail before it is waited for
    const failures: AppError[] = [];
    const load = async () => {
      reading.count++;
      await reading.promise;
      return maps.load();
    };
    const opened = await open(new Measured(crossover), {
      openHashMaps: async () => ({ ...maps, load }),
      onWithout: (error) => failures.push(error),
    });
    opened.engine.setAttention({ ...options, denseLayers: [] });
    return { ...opened, reading, failures };
  }

  async function* tokens(engine: GpuTokenEngine, prompt: number, count: number) {
    const ids = Array.from({ length: prompt }, () => random.integer(0, 255));
    for await (const event of engine.generateTokens(greedyRequest(ids, count))) {
      if (event.kind === 'token') yield { n: event.contextTokens - 1, attended: event.attendedTokens };
    }
  }

  async function attendedBy(engine: GpuTokenEngine, prompt: number, count: number): Promise<number[]> {
    const attended: number[] = [];
    for await (const token of tokens(engine, prompt, count)) attended.push(token.attended);
    return attended;
  }

  test('an answer waits for no maps: dense until they are there, sparse from then on', async () => {
    const { engine, reading, failures } = await openAwaited(50);
    let sparse = 0;
    let dense = 0;
    for await (const { n, attended } of tokens(engine, 60, 440)) {
      if (dense + sparse > 0) expect([n, 11], `${n} tokens`).toContain(attended);
      if (attended === n) dense++;
      else sparse++;
      if (dense === 20) reading.resolve();
      // once it has begun it goes on
      if (sparse > 0) expect(attended).toBe(11);
      if (sparse === 5) break;
    }
    expect(dense).toBeGreaterThanOrEqual(20);
    expect(sparse).toBe(5);
    expect(reading.count).toBe(1);
    expect(failures).toEqual([]);
  });

  test('maps that cannot be had cost no answer: it stays dense, and says why', async () => {
    const { engine, reading, failures } = await openAwaited(50);
    const failure = new AppError('download-failed', 'no connection');
    reading.reject(failure);
    let last = 0;
    for await (const { n, attended } of tokens(engine, 45, 40)) {
      expect(attended).toBe(n);
      last = n;
    }
    expect(last).toBe(84);
    expect(failures).toEqual([failure]);
    // asked for by name, it is an error
    engine.setAttention({ ...options, denseBelow: 0 });
    await expect(attendedBy(engine, 20, 5)).rejects.toBe(failure);
  });

  const message = expect.stringMatching(/^Attention stays dense for now.*no connection/);
  test.each([
    ['download-failed', [{ kind: 'warning', warning: { code: 'download-failed', message } }]],
    // the session ends with it, and the one after it has another device
    ['device-lost', []],
  ] as const)('a session says why attention stays dense: %s', async (code, said) => {
    const source = new Unreachable(await readTinyModel('llama-f32'));
    const model = await openModel(source);
    const plan = planSession(gpu(), model, { model: '', contextLength: 512, weights: 'stored' });
    const statuses: EngineStatus[] = [];
    const engine = await openSession(gpu(), model, plan, {
      crossovers: new Measured(50),
      onStatus: (status) => statuses.push(status),
    });
    await engine.withNetwork(async ({ network }) => void opened.push(network));
    engine.setAttention(options);
    source.fault = new AppError(code, 'no connection');
    await import('../on-demand.ts'); // is not to arrive after the answer
    for await (const { n, attended } of tokens(engine, 60, 20)) expect(attended).toBe(n);
    expect(statuses).toEqual(said);
  });

  test('maps are sent for once a crossover is known, not where there is none', async () => {
    const { engine, reading } = await openAwaited(400);
    await attendedBy(engine, 60, 15);
    expect(reading.count).toBe(1);
    const never = await openAwaited(null);
    expect((await attendedBy(never.engine, 60, 15)).length).toBe(15);
    expect(never.reading.count).toBe(0);
  });

  /** Runs `work` where there is no memory for signatures, which `onTry` is told of. */
  async function withoutMemory(work: () => Promise<void>, onTry = (): void => {}): Promise<void> {
    const { device } = gpu();
    const create = device.createBuffer;
    device.createBuffer = (descriptor) => {
      const isSignatures = descriptor.label?.includes('signatures') ?? false;
      if (isSignatures) onTry();
      // more than any device has
      return create.call(device, isSignatures ? { ...descriptor, size: 2 ** 52 } : descriptor);
    };
    try {
      await work();
    } finally {
      device.createBuffer = create;
    }
  }

  test('where there is no memory for signatures, an answer stays dense, and says why', async () => {
    const { network, engine, failures, reading } = await openAwaited(50);
    reading.resolve();
    await network.prepareSparse();
    await withoutMemory(async () => {
      for await (const { n, attended } of tokens(engine, 40, 30)) expect(attended).toBe(n);
    });
    expect(failures.map(({ code }) => code)).toEqual(['out-of-memory']);
    // other options are tried anew
    engine.setAttention({ ...options, denseLayers: [] });
    const attended = await attendedBy(engine, 60, 5);
    expect(attended.at(-1)).toBe(11);
  });

  test('also where others are wanted by the time that there is none', async () => {
    const { network, engine, failures, reading } = await openAwaited(50);
    reading.resolve();
    await network.prepareSparse();
    const leave = () => engine.setAttention({ mode: 'dense' });
    await withoutMemory(async () => {
      for await (const { n, attended } of tokens(engine, 40, 30)) expect(attended).toBe(n);
    }, leave);
    expect(failures.map(({ code }) => code)).toEqual(['out-of-memory']);
  });

  test('nothing is loaded for contexts that sink and window cover', async () => {
    const { engine } = await open(new Measured(0), {
      openHashMaps: () => Promise.reject(new Error('maps were loaded')),
    });
    const wide = { mode: 'hash', sink: 30, window: 50 } as const;
    expect((await steps(engine, wide, 60, 10)).length).toBe(9);
    await expect(steps(engine, wide, 60, 120)).rejects.toThrow('maps were loaded');
  });
});
