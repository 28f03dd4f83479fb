import { describe, expect, test } from 'vitest';
import { AppError } from '../../errors.ts';
import { plainChoices } from '../../kernels/testing/plain-choices.ts';
import type { GenerateRequest, GenerationEvent } from '../api.ts';
import { bos, bytesOf, collect, eos, errorOf, scriptedEngine } from '../testing/scripted-engine.ts';

function textOf(events: readonly GenerationEvent[]): string {
  return events.map((event) => (event.kind === 'prefill' ? '' : event.text)).join('');
}

function finishOf(events: readonly GenerationEvent[]): Extract<GenerationEvent, { kind: 'finished' }> {
  const last = events.at(-1);
  if (last?.kind !== 'finished') throw new Error(`the last event is ${JSON.stringify(last)}`);
  return last;
}

function generateAll(answer: readonly number[], request: Partial<GenerateRequest> = {}) {
  const { engine, tokens } = scriptedEngine({ answer });
  return { events: collect(engine.generate({ prompt: 'Hi', ...request })), engine, tokens };
}

describe('generate', () => {
  test('emits prefill, one event per token with text safe to show, then finished', async () => {
    const events = await generateAll([...bytesOf('aé'), eos]).events;
    expect(events.slice(0, 2)).toEqual([
      { kind: 'prefill', doneTokens: 0, totalTokens: 3, cachedTokens: 0 },
      { kind: 'prefill', doneTokens: 3, totalTokens: 3, cachedTokens: 0 },
    ]);
    const shown = events.flatMap((event) => (event.kind === 'token' ? [[event.token, event.text]] : []));
    expect(shown).toEqual([
      [0x61, 'a'],
      [0xc3, ''],
      [0xa9, 'é'],
      [eos, ''],
    ]);
    expect(events[2]).toMatchObject({
      contextTokens: 4,
      attendedTokens: 3,
      attentionBytes: 30,
      denseAttentionBytes: 60,
      timings: { prefillTokens: 3, decodeTokens: 0 },
    });
    expect(events.filter((event) => event.kind === 'token' && event.timings)).toHaveLength(1);
    expect(finishOf(events)).toMatchObject({
      reason: 'stop',
      text: '',
      usage: { promptTokens: 3, completionTokens: 4, cachedTokens: 0 },
      // of the steps from the second token on, as the scripted engine counts
      timings: {
        ...{ prefillTokens: 3, decodeTokens: 3 },
        ...{ attentionBytes: 10 * (4 + 5 + 6), denseAttentionBytes: 20 * (4 + 5 + 6) },
      },
    });
  });

  test('tokenises a text prompt with special tokens, and takes token ids as they are', async () => {
    const { engine, tokens } = scriptedEngine({ answer: [eos] });
    await collect(engine.generate({ prompt: 'Hi' }));
    await collect(engine.generate({ prompt: [1, 2, 3] }));
    expect(tokens.requests.map(({ prompt }) => prompt)).toEqual([
      [bos, ...bytesOf('Hi')],
      [1, 2, 3],
    ]);
  });

  test('reports the tokens found in the cache', async () => {
    const { engine } = scriptedEngine({ answer: [eos] });
    await collect(engine.generate({ prompt: [1, 2, 3, 4] }));
    const { usage, timings } = finishOf(await collect(engine.generate({ prompt: [1, 2, 9, 9, 9] })));
    expect(usage).toEqual({ promptTokens: 5, completionTokens: 1, cachedTokens: 2 });
    expect(timings.prefillTokens).toBe(3);
  });

  test('fills the context and finishes with "length" when nothing else ends it', async () => {
    const { events, tokens } = generateAll([]);
    expect(finishOf(await events)).toMatchObject({ reason: 'length', usage: { completionTokens: 97 } });
    expect(tokens.requests[0]).toMatchObject({ maxTokens: 97 });
  });

  test('caps maxTokens at the room left', async () => {
    const { events, tokens } = generateAll([], { maxTokens: 1000 });
    await events;
    expect(tokens.requests[0]).toMatchObject({ maxTokens: 97 });
  });

  test('finishes with "length" after maxTokens and shows an incomplete character only then', async () => {
    const events = await generateAll(bytesOf('ab😀'), { maxTokens: 4 }).events;
    expect(finishOf(events)).toMatchObject({ reason: 'length', text: '\ufffd' });
    expect(textOf(events)).toBe('ab\ufffd');
  });

  test('ends before a stop string that spans tokens, and asks for no further token', async () => {
    const { events, tokens } = generateAll(bytesOf('one€two'), { stop: ['e€t', 'zzz'] });
    const all = await events;
    expect(textOf(all)).toBe('on');
    expect(finishOf(all)).toMatchObject({ reason: 'stop', text: '', usage: { completionTokens: 7 } });
    expect(tokens.produced).toBe(7);
    expect(tokens.isRunning).toBe(false);
  });

  test('gives back a half-matched stop string at the end', async () => {
    const events = await generateAll([...bytesOf('x<en'), eos], { stop: ['<end>'] }).events;
    expect(finishOf(events)).toMatchObject({ reason: 'stop', text: '<en' });
    expect(textOf(events)).toBe('x<en');
  });

  test('ends at further stop tokens without showing them, and ignores end tokens on request', async () => {
    const stopped = await generateAll(bytesOf('abc'), { stopTokens: [0x62] }).events;
    expect(textOf(stopped)).toBe('a');
    expect(finishOf(stopped)).toMatchObject({ reason: 'stop', usage: { completionTokens: 2 } });
    const ignored = await generateAll([0x61, eos, 0x62], { ignoreEos: true, maxTokens: 3 }).events;
    expect(textOf(ignored)).toBe('ab');
    expect(finishOf(ignored).reason).toBe('length');
  });

  test('runs concurrent requests one after another', async () => {
    const order: number[] = [];
    const { engine } = scriptedEngine({
      answer: [0x61, eos],
      beforeToken: () => new Promise((resolve) => setTimeout(resolve, 1)),
    });
    const run = async (number: number) => {
      for await (const event of engine.generate({ prompt: [number] }))
        if (event.kind !== 'prefill') order.push(number);
    };
    await Promise.all([run(1), run(2), run(3)]);
    expect(order).toEqual([1, 1, 1, 2, 2, 2, 3, 3, 3]);
  });

  test('finishes with "aborted" and keeps the text when the signal fires', async () => {
    const controller = new AbortController();
    const { engine, tokens } = scriptedEngine({
      answer: bytesOf('abc'),
      beforeToken: (index) => {
        if (index === 2) controller.abort();
      },
    });
    const events = await collect(engine.generate({ prompt: 'Hi', signal: controller.signal, stop: ['bz'] }));
    expect(textOf(events)).toBe('ab');
    expect(finishOf(events)).toMatchObject({ reason: 'aborted', text: 'b', usage: { completionTokens: 2 } });
    expect(tokens.isRunning).toBe(false);
  });

  test('finishes with "aborted" while it waits, without disturbing the one that runs', async () => {
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { engine, tokens } = scriptedEngine({ answer: [0x61, eos], beforeToken: () => gate });
    const first = collect(engine.generate({ prompt: [1] }));
    const controller = new AbortController();
    const second = collect(engine.generate({ prompt: [2], signal: controller.signal }));
    const third = collect(engine.generate({ prompt: [3] }));
    controller.abort();
    expect(finishOf(await second)).toMatchObject({
      reason: 'aborted',
      usage: { promptTokens: 1, completionTokens: 0, cachedTokens: 0 },
      timings: { prefillMs: 0, timeToFirstTokenMs: 0 },
    });
    release();
    expect(finishOf(await first).reason).toBe('stop');
    expect(finishOf(await third).reason).toBe('stop');
    expect(tokens.requests.map(({ prompt }) => prompt)).toEqual([[1], [3]]);
  });

  test('stops the token engine when the reader leaves, and serves the next request', async () => {
    const { engine, tokens } = scriptedEngine({ answer: bytesOf('abcdef') });
    for await (const event of engine.generate({ prompt: 'Hi' })) if (event.kind === 'token') break;
    expect(tokens.isRunning).toBe(false);
    expect(tokens.produced).toBe(1);
    expect(finishOf(await collect(engine.generate({ prompt: 'Hi', maxTokens: 2 }))).reason).toBe('length');
  });

  test('passes on what the token engine throws, and serves the next request', async () => {
    let broken = true;
    const { engine } = scriptedEngine({
      answer: [eos],
      beforeToken: () => {
        if (broken) throw new AppError('device-lost', 'gone');
      },
    });
    await expect(collect(engine.generate({ prompt: 'Hi' }))).rejects.toMatchObject({ code: 'device-lost' });
    broken = false;
    expect(finishOf(await collect(engine.generate({ prompt: 'Hi' }))).reason).toBe('stop');
  });

  test('reports a token engine that ends early as a fault of ours', async () => {
    const parts = { tokens: { ...shortEngine(), vocab: 258, contextLength: 10 } };
    const { engine } = scriptedEngine({ answer: [] }, parts);
    const error = await errorOf(collect(engine.generate({ prompt: 'Hi' })));
    expect(error).toMatchObject({
      message: 'Internal error: the token engine ended after 0 of 7 tokens without an end token',
    });
    expect(error).not.toBeInstanceOf(AppError);
  });

  test('passes log-probabilities through', async () => {
    const events = await generateAll([0x61, eos], { topLogprobs: 2 }).events;
    const logprob = {
      token: 0x61,
      logprob: -0.5,
      top: [
        { token: 0x61, logprob: -1 },
        { token: 0x62, logprob: -2 },
      ],
    };
    expect(events[2]).toMatchObject({ kind: 'token', logprob });
    const plain = await generateAll([0x61, eos]).events;
    expect(plain[2]).not.toHaveProperty('logprob');
  });

  test('hands the token engine every sampling choice, with a fresh seed when none is given', async () => {
    const { engine, tokens } = scriptedEngine({ answer: [eos] });
    await collect(engine.generate({ prompt: 'Hi' }));
    await collect(engine.generate({ prompt: 'Hi' }));
    const chosen = {
      temperature: 0.5,
      topK: 40,
      topP: 0.9,
      minP: 0.05,
      repetitionPenalty: 1.1,
      frequencyPenalty: 0.2,
      presencePenalty: -0.3,
      logitBias: { 65: -2 },
      seed: 7,
    };
    await collect(engine.generate({ prompt: 'Hi', ...chosen }));
    const [first, second, third] = tokens.requests.map(({ sampling }) => sampling);
    expect(first).toEqual({ ...plainChoices, seed: expect.any(Number) });
    expect(Number.isSafeInteger(first?.seed)).toBe(true);
    expect(first?.seed).not.toBe(second?.seed);
    expect(third).toEqual(chosen);
  });

  const refusals: readonly [string, Partial<Record<keyof GenerateRequest, unknown>>, string][] = [
    ['an empty prompt', { prompt: [] }, 'The prompt has no tokens; it needs at least one.'],
    [
      'a token beyond the vocabulary',
      { prompt: [1, 258] },
      'prompt[1] must be an integer from 0 to 257; got 258.',
    ],
    ['a prompt of another type', { prompt: 5 }, 'prompt must be a list of token ids; got 5.'],
    ['no tokens to generate', { maxTokens: 0 }, 'maxTokens must be an integer of at least 1; got 0.'],
    ['an empty stop string', { stop: ['a', ''] }, 'stop[1] must be a string that is not empty; got "".'],
    [
      'a stop token beyond the vocabulary',
      { stopTokens: [-1] },
      'stopTokens[0] must be an integer from 0 to 257; got -1.',
    ],
    ['a negative temperature', { temperature: -1 }, 'temperature must be a number of at least 0; got -1.'],
    [
      'a temperature that is no number',
      { temperature: Number.NaN },
      'temperature must be a number of at least 0; got NaN.',
    ],
    ['top-p above one', { topP: 1.5 }, 'topP must be a number from 0 to 1; got 1.5.'],
    ['half a top-k', { topK: 0.5 }, 'topK must be an integer of at least 0; got 0.5.'],
    [
      'a repetition penalty of zero',
      { repetitionPenalty: 0 },
      'repetitionPenalty must be a number above 0; got 0.',
    ],
    [
      'a bias for no token',
      { logitBias: { x: 1 } },
      'a token id in logitBias must be an integer from 0 to 257; got "x".',
    ],
    [
      'an infinite penalty',
      { frequencyPenalty: Infinity },
      'frequencyPenalty must be a number; got Infinity.',
    ],
    ['too many alternatives', { topLogprobs: 21 }, 'topLogprobs must be an integer from 0 to 20; got 21.'],
    [
      'a seed beyond the safe integers',
      { seed: 2 ** 53 },
      'seed must be an integer of at least 0; got 9007199254740992.',
    ],
  ];
  for (const [what, wrong, message] of refusals) {
    test(`refuses ${what}`, async () => {
      const { engine } = scriptedEngine({ answer: [eos] });
      const request = { prompt: 'Hi', ...wrong } as GenerateRequest;
      const error = await errorOf(collect(engine.generate(request)));
      expect(error).toMatchObject({ name: 'AppError', code: 'invalid-request', message });
    });
  }

  test('refuses a prompt that leaves no room, with numbers and advice', async () => {
    const { engine } = scriptedEngine({ answer: [], contextLength: 10 });
    const error = await errorOf(collect(engine.generate({ prompt: Array.from({ length: 10 }, () => 1) })));
    expect(error).toMatchObject({
      code: 'context-full',
      message:
        'The prompt has 10 tokens; this context holds 10, and an answer needs at least one of them. ' +
        'Shorten the conversation, start a new one, or load the model with a longer context.',
      details: { promptTokens: 10, contextLength: 10 },
    });
    const fits = await collect(engine.generate({ prompt: Array.from({ length: 9 }, () => 1) }));
    expect(finishOf(fits)).toMatchObject({ reason: 'length', usage: { completionTokens: 1 } });
  });
});

describe('the engine around it', () => {
  test('tokenises, detokenises, passes attention on and reports memory', async () => {
    const { engine, tokens } = scriptedEngine({ answer: [] });
    expect(await engine.tokenize('é')).toEqual([bos, 0xc3, 0xa9]);
    expect(await engine.tokenize('é', { addSpecialTokens: false })).toEqual([0xc3, 0xa9]);
    expect(await engine.detokenize([0xc3, 0xa9])).toBe('é');
    expect(await engine.detokenize([])).toBe('');
    await expect(engine.detokenize([999])).rejects.toMatchObject({ code: 'invalid-request' });
    await engine.setAttention({ mode: 'dense' });
    expect(tokens.attention).toEqual([{ mode: 'dense' }]);
    expect((await engine.memory()).kvCacheBytes).toBe(22);
  });

  test.each([
    ['without a signal', {}],
    ['with a signal of its own', { signal: new AbortController().signal }],
  ])('ends a generation %s when it is disposed, and refuses later ones', async (_, own) => {
    const { engine, tokens } = scriptedEngine({ answer: [] });
    const events: GenerationEvent[] = [];
    for await (const event of engine.generate({ prompt: 'Hi', ...own })) {
      events.push(event);
      if (event.kind === 'token') await engine.dispose();
    }
    expect(finishOf(events)).toMatchObject({ reason: 'aborted', usage: { completionTokens: 1 } });
    expect(tokens.isDisposed).toBe(true);
    await expect(collect(engine.generate({ prompt: 'Hi' }))).rejects.toMatchObject({
      code: 'invalid-request',
    });
    await engine.dispose();
  });
});

function shortEngine() {
  return {
    async *generateTokens() {},
    setAttention() {},
    withNetwork: () => Promise.reject(new Error('no network')),
    probe: async () => ({ position: 0, tokens: [], layers: [] }),
    memory: () => ({ weightBytes: 0, kvCacheBytes: 0, scratchBytes: 0 }),
    dispose() {},
  };
}
