/** The public door with the default model: what a program that uses the engine sees. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readDefaultModel, readTestFile } from '../../test/support/test-files.ts';
import { openTestGpu } from '../kernels/testing/with-gpu.ts';
import type { ChatCompletionChunk, Engine, EngineOptions, LoadStage } from './index.ts';
import { createEngine, createLocalEngine, planLocalModel } from './index.ts';

interface Golden {
  readonly name: string;
  readonly prompt_ids: readonly number[];
  readonly tokens: readonly number[];
  readonly text: string;
}

const isBrowser = typeof document !== 'undefined';
const question = { role: 'user', content: 'What is the capital of France?' } as const;
const inFull: Pick<EngineOptions, 'contextLength'> = { contextLength: 256 };

async function localFiles(): Promise<EngineOptions['model']> {
  const files = [...(await readDefaultModel())].map(([name, bytes]) => new File([bytes], name));
  return { kind: 'files', files };
}

/** In Node, a program hands Dawn in as `navigator.gpu`. */
async function provideWebGpu(): Promise<void> {
  if (isBrowser) return;
  (await openTestGpu()).dispose();
  Object.defineProperty(globalThis, 'navigator', {
    value: { gpu: (globalThis as unknown as { dawn: GPU }).dawn },
    configurable: true,
  });
}

/** Ways to open the engine: by address in a worker where there are workers, from files in this thread everywhere. */
const ways: readonly (readonly [
  name: string,
  open: (options: Omit<EngineOptions, 'model'>) => Promise<Engine>,
])[] = [
  ['in this thread', async (options) => createLocalEngine({ ...options, model: await localFiles() })],
  ...(isBrowser
    ? [
        [
          'in a worker',
          (options: Omit<EngineOptions, 'model'>) =>
            createEngine({ ...options, model: '/models/SmolLM2-135M-Instruct-4bit/', useStorage: false }),
        ] as const,
      ]
    : []),
];

describe.for(ways)('the engine %s', ([, open]) => {
  const stages: LoadStage[] = [];
  let engine: Engine;
  let goldens: ReadonlyMap<string, Golden>;

  beforeAll(async () => {
    await provideWebGpu();
    const file = await readTestFile('golden/SmolLM2-135M-Instruct-4bit/greedy.json');
    const list = JSON.parse(new TextDecoder().decode(file!)) as Golden[];
    goldens = new Map(list.map((golden) => [golden.name, golden]));
    engine = await open({ ...inFull, onProgress: ({ stage }) => stages.push(stage) });
  });
  afterAll(() => engine?.dispose());

  test('reports what it loaded and how', async () => {
    expect([...new Set(stages)]).toEqual(['config', 'weights', 'compile', 'ready']);
    expect(engine.model).toMatchObject({ modelType: 'llama', vocab: 49152, layers: 30 });
    expect(engine.plan).toMatchObject({ contextLength: 256, trainedContext: 8192 });
    expect(engine.plan.problems).toEqual([]);
    const { weightBytes, kvCacheBytes } = await engine.memory();
    expect(weightBytes).toBe(engine.plan.weightBytes);
    expect(kvCacheBytes).toBeLessThanOrEqual(engine.plan.kvCacheBytes);
  });

  test('completes a chat, then streams the answer to a follow-up from the cache', async () => {
    const first = await engine.chat.completions.create({ messages: [question], temperature: 0 });
    const golden = goldens.get('paris')!;
    const answer = golden.text.split('<|im_end|>')[0]!;
    const [{ message, finish_reason }] = first.choices;
    expect(message).toEqual({ role: 'assistant', content: answer, refusal: null });
    expect(finish_reason).toBe('stop');
    expect(first.usage).toEqual({
      prompt_tokens: golden.prompt_ids.length,
      completion_tokens: 8,
      total_tokens: golden.prompt_ids.length + 8,
      prompt_tokens_details: { cached_tokens: 0 },
    });

    const chunks: ChatCompletionChunk[] = [];
    const stream = await engine.chat.completions.create({
      messages: [question, message, { role: 'user', content: 'And of Spain?' }],
      temperature: 0,
      max_completion_tokens: 8,
      stream: true,
      stream_options: { include_usage: true },
    });
    for await (const chunk of stream) chunks.push(chunk);
    expect(chunks[0]?.choices[0]?.delta).toEqual({ role: 'assistant', content: '' });
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toMatch(/Spain|Madrid/);
    const usage = chunks.at(-1)?.usage;
    // Everything of the first turn but what follows its last token fed.
    expect(usage?.prompt_tokens_details.cached_tokens).toBeGreaterThanOrEqual(golden.prompt_ids.length + 6);
    expect(chunks.at(-1)?.choices).toEqual([]);
  });

  test('generates from token ids as the reference does, with log-probabilities', async () => {
    const golden = goldens.get('python')!;
    const tokens: number[] = [];
    for await (const event of engine.generate({
      prompt: golden.prompt_ids,
      temperature: 0,
      maxTokens: 6,
      topLogprobs: 2,
    })) {
      if (event.kind === 'token') {
        tokens.push(event.token);
        expect(event.logprob?.top[0]?.token).toBe(event.token);
        expect(event.logprob?.logprob).toBeLessThanOrEqual(0);
      }
      if (event.kind === 'finished') expect(event.reason).toBe('length');
    }
    expect(tokens).toEqual(golden.tokens.slice(0, 6));
    expect(await engine.detokenize(tokens)).toBe(
      golden.text.slice(0, (await engine.detokenize(tokens)).length),
    );
  });

  test('text becomes tokens and comes back', async () => {
    const text = 'Grüße, 世界 👋🏽!\n\tx = 1';
    const tokens = await engine.tokenize(text, { addSpecialTokens: false });
    expect(tokens.length).toBeGreaterThan(8);
    expect(await engine.detokenize(tokens)).toBe(text);
  });

  test('an aborted answer ends, and the next one is whole', async () => {
    const control = new AbortController();
    const reasons: string[] = [];
    let count = 0;
    const request = { prompt: 'Once upon a time', temperature: 0, maxTokens: 200 };
    for await (const event of engine.generate({ ...request, signal: control.signal })) {
      if (event.kind === 'token' && ++count === 2) control.abort();
      if (event.kind === 'finished') reasons.push(event.reason);
    }
    expect(reasons).toEqual(['aborted']);
    expect(count).toBeLessThan(10);
    let next = 0;
    for await (const event of engine.generate({ ...request, maxTokens: 3 })) {
      if (event.kind === 'token') next++;
    }
    expect(next).toBe(3);
  });

  test('a prompt beyond the context is refused with the numbers', async () => {
    const prompt = Array.from({ length: 300 }, (_, i) => i + 100);
    const refused = (async () => {
      for await (const _ of engine.generate({ prompt })) break;
    })();
    await expect(refused).rejects.toMatchObject({
      code: 'context-full',
      message: expect.stringMatching(/300.*256/),
    });
  });
});

test('a plan says when the context is too long', async () => {
  await provideWebGpu();
  const model = await localFiles();
  expect(await planLocalModel({ model, contextLength: 1000 })).toMatchObject({
    contextLength: 1000,
    problems: [],
  });
  const tooLong = await planLocalModel({ model, contextLength: 9000 });
  expect(tooLong.problems).toEqual([expect.stringMatching(/9000 .* 8192/)]);
});
