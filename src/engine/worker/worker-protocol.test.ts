/** Both sides of the protocol over a real MessageChannel, with a scripted engine behind it. */
import { afterEach, describe, expect, test } from 'vitest';
import { AppError } from '../../errors.ts';
import type { Engine, EngineOptions, EngineStatus, GenerationEvent, LoadProgress } from '../api.ts';
import {
  attentionFacts,
  bytesOf,
  collect,
  eos,
  errorOf,
  memoryPlan,
  memoryUse,
  modelSummary,
  type Script,
  scriptedEngine,
} from '../testing/scripted-engine.ts';
import type { TrainRequest } from '../train/train-types.ts';
import { Connection, type Notices } from './connection.ts';
import type { FromWorker, ToWorker } from './protocol.ts';
import { createRemoteEngine } from './remote-engine.ts';
import { type EngineFactory, serveEngine } from './serve.ts';

const channels: MessageChannel[] = [];

afterEach(() => {
  for (const { port1, port2 } of channels.splice(0)) {
    port1.close();
    port2.close();
  }
});

/** Connects a page and a worker side; keeps every message that crossed. */
function connect(factory: () => Promise<EngineFactory>, notices: Notices = {}) {
  const channel = new MessageChannel();
  channels.push(channel);
  const { port1: page, port2: worker } = channel;
  const sent: ToWorker[] = [];
  const received: FromWorker[] = [];
  const connection = new Connection((message) => {
    page.postMessage(message);
    sent.push(message);
  }, notices);
  page.onmessage = ({ data }: MessageEvent<FromWorker>) => {
    received.push(data);
    connection.receive(data);
  };
  const receive = serveEngine((message) => worker.postMessage(message), factory);
  worker.onmessage = ({ data }: MessageEvent<ToWorker>) => receive(data);
  return { connection, sent, received };
}

/** A factory for one engine, and the options it was asked with. */
function factoryOf(engine: Engine) {
  const asked: EngineOptions[] = [];
  const factory: EngineFactory = {
    async createLocalEngine(options) {
      asked.push(options);
      return engine;
    },
    async planLocalModel(options) {
      asked.push(options);
      return memoryPlan;
    },
  };
  return { asked, factory: async () => factory };
}

async function remote(script: Script) {
  const local = scriptedEngine(script);
  const { factory } = factoryOf(local.engine);
  const link = connect(factory);
  const loaded = await link.connection.call('load', { model: 'owner/name' });
  const engine = createRemoteEngine(link.connection, loaded, async () => {});
  return { engine, tokens: local.tokens, ...link };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** Long enough for every message under way to arrive and be answered. */
async function quiet(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 30));
}

const messages = [{ role: 'user', content: 'Hi' }] as const;

describe('loading', () => {
  test('passes plain options on, forwards progress and status, and answers with model and plan', async () => {
    const { engine } = scriptedEngine({ answer: [] });
    const progress: LoadProgress = {
      ...{ stage: 'weights', loadedBytes: 1, totalBytes: 2, fromStorageBytes: 0, bytesPerSecond: 3 },
    } as const;
    const statuses: EngineStatus[] = [
      { kind: 'recovering', reason: 'device lost' },
      { kind: 'ready' },
      { kind: 'failed', error: { code: 'device-lost', message: 'gone' } },
    ];
    const asked: EngineOptions[] = [];
    const factory: EngineFactory = {
      async createLocalEngine(options) {
        asked.push(options);
        options.onProgress?.(progress);
        for (const status of statuses) options.onStatus?.(status);
        return engine;
      },
      planLocalModel: async () => memoryPlan,
    };
    const seen: unknown[] = [];
    const { connection } = connect(async () => factory, {
      onProgress: (value) => seen.push(value),
      onStatus: (value) => seen.push(value),
    });
    const loaded = await connection.call('load', { model: 'owner/name', weights: 'q8', contextLength: 512 });
    expect(loaded).toEqual({ model: modelSummary, plan: memoryPlan });
    expect(asked[0]).toMatchObject({ model: 'owner/name', weights: 'q8', contextLength: 512 });
    expect(seen).toEqual([progress, ...statuses]);
  });

  test('plans without loading', async () => {
    const { factory, asked } = factoryOf(scriptedEngine({ answer: [] }).engine);
    const { connection } = connect(factory);
    expect(await connection.call('plan', { model: { kind: 'url', url: '/models/x/' } })).toEqual(memoryPlan);
    expect(asked).toMatchObject([{ model: { kind: 'url', url: '/models/x/' } }]);
  });

  test('carries an AppError over with code, message and details', async () => {
    const error = new AppError('limit-exceeded', 'too big', { details: { limit: 5 } });
    const { connection } = connect(() => Promise.reject(error));
    const got = await errorOf(connection.call('load', { model: 'owner/name' }));
    expect(got).toBeInstanceOf(AppError);
    expect(got).toMatchObject({ code: 'limit-exceeded', message: 'too big', details: { limit: 5 } });
  });

  test('gives any other error the code "internal" and keeps its stack', async () => {
    const bug = new TypeError('x is undefined');
    const { connection } = connect(() => Promise.reject(bug));
    const got = await errorOf(connection.call('load', { model: 'owner/name' }));
    expect(got).toMatchObject({
      code: 'internal',
      message: 'The engine failed: x is undefined',
      details: { name: 'TypeError', stack: bug.stack },
    });
  });

  test('aborts in the worker and rejects at once when the signal fires', async () => {
    let abortedInWorker = false;
    const factory: EngineFactory = {
      createLocalEngine: ({ signal }) =>
        new Promise(() => {
          signal?.addEventListener('abort', () => {
            abortedInWorker = true;
          });
        }),
      planLocalModel: async () => memoryPlan,
    };
    const { connection, received } = connect(async () => factory);
    const controller = new AbortController();
    const load = errorOf(connection.call('load', { model: 'owner/name' }, controller.signal));
    await quiet();
    controller.abort();
    expect(await load).toMatchObject({ code: 'aborted' });
    await until(() => abortedInWorker);
    expect(received).toEqual([]);
  });

  test('asks nothing when the signal has fired already', async () => {
    const { connection, sent } = connect(factoryOf(scriptedEngine({ answer: [] }).engine).factory);
    const load = connection.call('load', { model: 'owner/name' }, AbortSignal.abort());
    await expect(load).rejects.toMatchObject({ code: 'aborted' });
    expect(sent).toEqual([]);
  });
});

describe('the remote engine', () => {
  test('behaves like the local one', async () => {
    const answer = [...bytesOf('é!'), eos];
    const { engine, tokens } = await remote({ answer });
    const local = scriptedEngine({ answer }).engine;
    const untimed = (events: readonly GenerationEvent[]) =>
      events.map((event) => ({ ...event, tokensPerSecond: 0, timings: null }));
    const request = { prompt: 'Hi', topLogprobs: 1, seed: 3 };
    expect(untimed(await collect(engine.generate(request)))).toEqual(
      untimed(await collect(local.generate(request))),
    );
    expect(engine.model).toEqual(modelSummary);
    expect(engine.plan).toEqual(memoryPlan);
    expect(await engine.tokenize('a')).toEqual(await local.tokenize('a'));
    expect(await engine.tokenize('a', { addSpecialTokens: false })).toEqual([0x61]);
    expect(await engine.detokenize([0x61])).toBe('a');
    expect(await engine.memory()).toEqual(memoryUse);
    expect(await engine.attentionFacts()).toEqual(attentionFacts);
    expect((await engine.probe({ position: 1, signal: new AbortController().signal })).position).toBe(1);
    expect((await engine.probe()).pieces.join('')).toBe((await local.probe()).pieces.join(''));
    await engine.setAttention({ mode: 'dense' });
    expect(tokens.attention).toEqual([{ mode: 'dense' }]);
    expect(tokens.requests[0]?.sampling.seed).toBe(3);
  });

  test('learns signatures: what is told comes in order, a stop still brings the checkpoint, maps go back', async () => {
    const maps = Uint8Array.of(1, 2, 3);
    const used: unknown[] = [];
    const asked: TrainRequest[] = [];
    const { engine: scripted } = scriptedEngine({ answer: [] });
    const local: Engine = {
      ...scripted,
      async *trainSignatures({ signal, ...request }) {
        asked.push(request);
        yield { kind: 'step', step: 1, steps: 2, loss: 3, milliseconds: 4 };
        await quiet();
        yield { kind: 'checkpoint', step: 1, bytes: maps };
        if (signal?.aborted) throw new AppError('aborted', 'stopped');
        yield { kind: 'finished', maps };
      },
      async useSignatures(given) {
        used.push(given);
        return { kind: 'session', reason: 'no room' };
      },
    };
    const { connection } = connect(factoryOf(local).factory);
    const loaded = await connection.call('load', { model: 'owner/name' });
    const engine = createRemoteEngine(connection, loaded, async () => {});
    const request = { text: ['a', 'b'], steps: 2 };
    const events = await collect(engine.trainSignatures(request));
    expect(events.map(({ kind }) => kind)).toEqual(['step', 'checkpoint', 'finished']);
    expect(events.at(-1)).toEqual({ kind: 'finished', maps });

    const stop = new AbortController();
    const seen: string[] = [];
    const read = async () => {
      for await (const event of engine.trainSignatures({
        ...request,
        checkpoint: maps,
        from: maps,
        signal: stop.signal,
      })) {
        seen.push(event.kind);
        stop.abort();
      }
    };
    await expect(read()).rejects.toMatchObject({ code: 'aborted' });
    expect(seen).toEqual(['step', 'checkpoint']);
    expect(asked).toEqual([request, { ...request, checkpoint: maps, from: maps }]);
    expect(await engine.useSignatures(maps)).toEqual({ kind: 'session', reason: 'no room' });
    await engine.useSignatures(null);
    expect(used).toEqual([maps, null]);
  });

  test('completes a chat, whole and streamed', async () => {
    const { engine } = await remote({ answer: [...bytesOf('Yo'), eos] });
    const whole = await engine.chat.completions.create({ messages });
    expect(whole.choices[0].message).toEqual({ role: 'assistant', content: 'Yo', refusal: null });
    const chunks = await collect(await engine.chat.completions.create({ messages, stream: true }));
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe('Yo');
  });

  test('rejects create for a refused request, streaming or not, and the iteration of generate', async () => {
    const { engine } = await remote({ answer: [] });
    const refused = { code: 'invalid-request', details: { parameter: 'temperature' } };
    const { create } = engine.chat.completions;
    await expect(create({ messages, temperature: 9 })).rejects.toMatchObject(refused);
    await expect(create({ messages, temperature: 9, stream: true })).rejects.toMatchObject(refused);
    await expect(collect(engine.generate({ prompt: 'x', temperature: -1 }))).rejects.toMatchObject(refused);
  });

  test('refuses what cannot be cloned with a clear error', async () => {
    const { engine } = await remote({ answer: [] });
    const request = { messages, tools: () => {} };
    await expect(engine.chat.completions.create(request)).rejects.toMatchObject({
      code: 'invalid-request',
      message: expect.stringContaining('Use plain data only.'),
    });
  });

  test('runs concurrent requests one after another', async () => {
    const { engine } = await remote({ answer: [0x61, 0x62, eos] });
    const order: number[] = [];
    const run = async (number: number) => {
      for await (const event of engine.generate({ prompt: [number] }))
        if (event.kind === 'token') order.push(number);
    };
    await Promise.all([run(1), run(2)]);
    expect(order).toEqual([1, 1, 1, 2, 2, 2]);
  });

  test('stops the worker when the reader leaves early', async () => {
    const { engine, tokens } = await remote({ answer: [], beforeToken: () => quiet() });
    for await (const event of engine.generate({ prompt: 'Hi' })) if (event.kind === 'token') break;
    await until(() => !tokens.isRunning);
    expect(tokens.produced).toBeLessThan(4);
    const again = await collect(engine.generate({ prompt: 'Hi', maxTokens: 1 }));
    expect(again.at(-1)).toMatchObject({ kind: 'finished', reason: 'length' });
  });

  test('stops the worker when the signal fires, and tells how it ended', async () => {
    const { engine, tokens } = await remote({ answer: [], beforeToken: () => quiet() });
    const controller = new AbortController();
    const events: GenerationEvent[] = [];
    for await (const event of engine.generate({ prompt: 'Hi', signal: controller.signal })) {
      events.push(event);
      if (event.kind === 'token') controller.abort();
    }
    expect(events.at(-1)).toMatchObject({ kind: 'finished', reason: 'aborted' });
    expect(tokens.isRunning).toBe(false);
    expect(tokens.produced).toBeLessThan(4);
  });

  test('ends as aborted when the signal fired before the request', async () => {
    const { engine, tokens } = await remote({ answer: [] });
    const events = await collect(engine.generate({ prompt: 'Hi', signal: AbortSignal.abort() }));
    expect(events).toMatchObject([{ kind: 'finished', reason: 'aborted', usage: { completionTokens: 0 } }]);
    expect(tokens.requests).toEqual([]);
  });

  test('rejects a completion whose signal fires, and stops the worker', async () => {
    const { engine, tokens } = await remote({ answer: [], beforeToken: () => quiet() });
    const controller = new AbortController();
    const whole = errorOf(engine.chat.completions.create({ messages }, { signal: controller.signal }));
    await until(() => tokens.isRunning);
    controller.abort();
    expect(await whole).toMatchObject({ code: 'aborted' });
    await until(() => !tokens.isRunning);
  });

  test('does not run ahead of a slow reader by more than a bounded number of items', async () => {
    const { engine, tokens } = await remote({ answer: [], contextLength: 5000 });
    let read = 0;
    for await (const event of engine.generate({ prompt: [1], maxTokens: 2000 })) {
      if (event.kind !== 'token') continue;
      read += 1;
      if (read === 1 || read === 500) {
        await quiet();
        expect(tokens.produced - read).toBeGreaterThan(0);
        expect(tokens.produced - read).toBeLessThanOrEqual(65);
      }
    }
    expect(read).toBe(2000);
  });

  test('keeps no listeners or requests after each is over', async () => {
    const { engine, sent } = await remote({ answer: [eos] });
    const controller = new AbortController();
    await collect(engine.generate({ prompt: 'Hi', signal: controller.signal }));
    await engine.chat.completions.create({ messages }, { signal: controller.signal });
    const before = sent.length;
    controller.abort();
    expect(sent.length).toBe(before);
  });
});

describe('a worker that is gone', () => {
  test('rejects everything under way and everything later with the same typed error', async () => {
    const { engine, connection, tokens } = await remote({
      answer: [],
      beforeToken: () => new Promise(() => {}),
    });
    const running = errorOf(collect(engine.generate({ prompt: 'Hi' })));
    const completing = errorOf(engine.chat.completions.create({ messages }));
    const opening = engine.chat.completions.create({ messages, stream: true });
    await until(() => tokens.isRunning);
    const unread = await opening;
    connection.fail(new AppError('internal', 'crashed'));
    const crashed = { name: 'AppError', code: 'internal', message: 'crashed' };
    expect(await running).toMatchObject(crashed);
    expect(await completing).toMatchObject(crashed);
    await expect(collect(unread)).rejects.toMatchObject(crashed);
    await expect(engine.memory()).rejects.toMatchObject(crashed);
    await expect(collect(engine.generate({ prompt: 'Hi' }))).rejects.toMatchObject(crashed);
  });

  test('disposes in the worker: requests under way end, the engine is freed', async () => {
    const { connection, engine, tokens } = await remote({ answer: [], beforeToken: () => quiet() });
    const completing = errorOf(engine.chat.completions.create({ messages }));
    await until(() => tokens.isRunning);
    await connection.call('dispose', null);
    expect(tokens.isDisposed).toBe(true);
    expect(await completing).toMatchObject({ code: 'aborted' });
  });
});
