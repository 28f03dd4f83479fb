import { describe, expect, test } from 'vitest';
import type { Script } from '../testing/scripted-engine.ts';
import { bytesOf, collect, eos, errorOf, scriptedEngine } from '../testing/scripted-engine.ts';
import type { TextEngineParts } from '../text-engine.ts';
import type { ChatCompletionChunk, ChatCompletionRequest } from './chat-types.ts';

type Fields = Omit<ChatCompletionRequest, 'messages' | 'stream'>;

const messages = [
  { role: 'system', content: 'S' },
  { role: 'user', content: 'Hi' },
] as const;

/** How the scripted template writes them: one byte, one token. */
const prompt = 's:S|u:Hi|a:';

function open(script: Script, parts?: Partial<TextEngineParts>) {
  const { engine, tokens } = scriptedEngine(script, parts);
  const completions = engine.chat.completions;
  return {
    tokens,
    complete: (fields: Fields = {}) => completions.create({ messages, ...fields }),
    stream: async (fields: Fields = {}) =>
      collect(await completions.create({ messages, stream: true, ...fields })),
    completions,
  };
}

function contentOf(chunks: readonly ChatCompletionChunk[]): string {
  return chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
}

const timings = {
  prefillTokens: 11,
  prefillMs: expect.any(Number),
  prefillTokensPerSecond: expect.any(Number),
  timeToFirstTokenMs: expect.any(Number),
  decodeTokens: 2,
  decodeMs: expect.any(Number),
  decodeTokensPerSecond: expect.any(Number),
  attentionBytes: expect.any(Number),
  denseAttentionBytes: expect.any(Number),
};
const usage = {
  prompt_tokens: 11,
  completion_tokens: 3,
  total_tokens: 14,
  prompt_tokens_details: { cached_tokens: 0 },
};

describe('chat.completions.create', () => {
  test('answers with one object of exactly OpenAI’s fields, and timings', async () => {
    const { complete, tokens } = open({ answer: [...bytesOf('Yo'), eos] });
    const before = Math.floor(Date.now() / 1000);
    const answer = await complete();
    expect(answer).toEqual({
      id: expect.stringMatching(/^chatcmpl-[0-9a-f-]{36}$/),
      object: 'chat.completion',
      created: expect.any(Number),
      model: 'scripted',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'Yo', refusal: null },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage,
      timings,
    });
    expect(answer.created).toBeGreaterThanOrEqual(before);
    expect(answer.created).toBeLessThanOrEqual(Date.now() / 1000);
    expect(tokens.requests[0]?.prompt).toEqual(bytesOf(prompt));
  });

  test('streams a role chunk, prompt progress, one chunk per token, then the finish with timings', async () => {
    const chunks = await open({ answer: [...bytesOf('Yo'), eos] }).stream();
    const { id, created } = chunks[0]!;
    const choice = { index: 0, delta: {}, logprobs: null, finish_reason: null };
    const chunk = { id, object: 'chat.completion.chunk', created, model: 'scripted', choices: [choice] };
    const token = (content: string | undefined, contextTokens: number) => ({
      ...chunk,
      choices: [{ ...choice, delta: content === undefined ? {} : { content } }],
      live: {
        context_tokens: contextTokens,
        attended_tokens: contextTokens - 1,
        attention_bytes: 10 * (contextTokens - 1),
        dense_attention_bytes: 20 * (contextTokens - 1),
        tokens_per_second: expect.any(Number),
      },
    });
    expect(chunks).toStrictEqual([
      { ...chunk, choices: [{ ...choice, delta: { role: 'assistant', content: '' } }] },
      { ...chunk, prefill: { done_tokens: 0, total_tokens: 11, cached_tokens: 0 } },
      { ...chunk, prefill: { done_tokens: 11, total_tokens: 11, cached_tokens: 0 } },
      { ...token('Y', 12), timings: { ...timings, decodeTokens: 0, decodeMs: 0 } },
      token('o', 13),
      token(undefined, 14),
      { ...chunk, choices: [{ ...choice, finish_reason: 'stop' }], timings },
    ]);
  });

  test('ends the stream with a chunk of usage alone when asked, and says null before', async () => {
    const chunks = await open({ answer: [...bytesOf('Yo'), eos] }).stream({
      stream_options: { include_usage: true },
    });
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage, timings });
    expect(chunks.at(-2)).toMatchObject({ choices: [{ finish_reason: 'stop' }], usage: null });
    expect(chunks.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true);
    expect(chunks.filter((chunk) => chunk.timings).map(({ live }) => live?.context_tokens)).toEqual([
      12,
      undefined,
    ]);
  });

  test('gives the same content whole and streamed, also where characters and stop strings span tokens', async () => {
    const script = { answer: [...bytesOf('naïve 😀 <e <end> more'), eos] };
    const whole = await open(script).complete({ stop: '<end>' });
    const chunks = await open(script).stream({ stop: ['<end>'] });
    expect(whole.choices[0].message.content).toBe('naïve 😀 <e ');
    expect(contentOf(chunks)).toBe('naïve 😀 <e ');
    expect(whole.choices[0].finish_reason).toBe('stop');
    expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('stop');
  });

  test('says "length" when max_tokens ended the answer, and streams text held back until then', async () => {
    const { complete, stream } = open({ answer: bytesOf('ab<c') });
    const whole = await complete({ max_tokens: 3, stop: '<x' });
    expect(whole.choices[0]).toMatchObject({ message: { content: 'ab<' }, finish_reason: 'length' });
    const chunks = await stream({ max_completion_tokens: 3, stop: '<x' });
    expect(chunks.at(-1)?.choices[0]).toMatchObject({ delta: { content: '<' }, finish_reason: 'length' });
  });

  test('counts cached tokens', async () => {
    const { complete, completions } = open({ answer: [0x61, eos] });
    await complete();
    const again = await completions.create({ messages: [...messages, { role: 'assistant', content: 'a' }] });
    expect(again.usage.prompt_tokens_details).toEqual({ cached_tokens: 12 });
  });

  test('reports log-probabilities with bytes, none for the end token', async () => {
    const script = { answer: [...bytesOf('é'), eos] };
    const half = (byte: number) => ({
      token: '\ufffd',
      logprob: -0.5,
      bytes: [byte],
      top_logprobs: [
        { token: 'a', logprob: -1, bytes: [0x61] },
        { token: 'b', logprob: -2, bytes: [0x62] },
      ],
    });
    const whole = await open(script).complete({ logprobs: true, top_logprobs: 2 });
    expect(whole.choices[0].logprobs).toEqual({ content: [half(0xc3), half(0xa9)], refusal: null });
    const chunks = await open(script).stream({ logprobs: true, top_logprobs: 2 });
    const streamed = chunks.flatMap((chunk) => chunk.choices[0]?.logprobs?.content ?? []);
    expect(streamed).toEqual([half(0xc3), half(0xa9)]);
    const plain = await open(script).complete({ logprobs: true });
    expect(plain.choices[0].logprobs?.content[0]).toMatchObject({ bytes: [0xc3], top_logprobs: [] });
  });

  test('gives no bytes for an id that stands for no text', async () => {
    const { complete } = open({ answer: [256, eos] });
    const { choices } = await complete({ logprobs: true });
    expect(choices[0].logprobs?.content).toEqual([
      { token: '', logprob: -0.5, bytes: null, top_logprobs: [] },
    ]);
  });

  test('samples as the request says, otherwise as the model recommends, otherwise plainly', async () => {
    const samplingDefaults = { temperature: 0.6, topP: 0.95, topK: 20, minP: 0.1, repetitionPenalty: 1.05 };
    const { complete, tokens } = open({ answer: [eos] }, { samplingDefaults });
    await complete({ temperature: null, seed: 1 });
    await complete({
      ...{ temperature: 0, top_p: 0.5, top_k: 0, min_p: 0, repetition_penalty: 1, seed: 5 },
      ...{ frequency_penalty: 1, presence_penalty: -1, logit_bias: { '65': -100 } },
    });
    const plain = open({ answer: [eos] });
    await plain.complete({ seed: 2 });
    const off = { frequencyPenalty: 0, presencePenalty: 0, logitBias: {} };
    expect(tokens.requests.map(({ sampling }) => sampling)).toEqual([
      { ...samplingDefaults, ...off, seed: 1 },
      {
        ...{ temperature: 0, topP: 0.5, topK: 0, minP: 0, repetitionPenalty: 1, seed: 5 },
        ...{ frequencyPenalty: 1, presencePenalty: -1, logitBias: { 65: -100 } },
      },
    ]);
    expect(plain.tokens.requests[0]?.sampling).toEqual({
      ...{ temperature: 1, topP: 1, topK: 0, minP: 0, repetitionPenalty: 1, ...off, seed: 2 },
    });
  });

  test('rejects a completion whose signal fires', async () => {
    const controller = new AbortController();
    const { completions } = open({
      answer: bytesOf('abc'),
      beforeToken: (index) => {
        if (index === 1) controller.abort();
      },
    });
    const error = await errorOf(completions.create({ messages }, { signal: controller.signal }));
    expect(error).toMatchObject({ code: 'aborted' });
  });

  test('ends a stream whose signal fires without a finish_reason, its text kept', async () => {
    const controller = new AbortController();
    const { completions } = open({
      answer: bytesOf('ab<c'),
      beforeToken: (index) => {
        if (index === 3) controller.abort();
      },
    });
    const request = { messages, stream: true, stop: '<x' } as const;
    const chunks = await collect(await completions.create(request, { signal: controller.signal }));
    expect(contentOf(chunks)).toBe('ab<');
    expect(chunks.at(-1)).toMatchObject({ choices: [{ finish_reason: null }], timings: { decodeTokens: 2 } });
  });

  test('starts no work for a stream that nobody reads, and stops when its reader leaves', async () => {
    const { completions, tokens } = open({ answer: [] });
    await completions.create({ messages, stream: true });
    expect(tokens.requests).toEqual([]);
    for await (const chunk of await completions.create({ messages, stream: true })) if (chunk.live) break;
    expect(tokens.produced).toBe(1);
    expect(tokens.isRunning).toBe(false);
  });

  test('rejects at once when the conversation does not fit, streaming or not', async () => {
    const { completions } = open({ answer: [], contextLength: 11 });
    for (const stream of [true, false]) {
      const error = await errorOf(
        completions.create({ messages, stream } as ChatCompletionRequest & { stream: true }),
      );
      expect(error).toMatchObject({ code: 'context-full', details: { promptTokens: 11, contextLength: 11 } });
    }
  });

  test('refuses to chat with a model that has no chat template', async () => {
    const { complete } = open({ answer: [] }, { renderChat: null });
    const error = await errorOf(complete());
    expect(error).toMatchObject({ code: 'invalid-request' });
    expect((error as Error).message).toContain('scripted has no chat template');
  });
});
