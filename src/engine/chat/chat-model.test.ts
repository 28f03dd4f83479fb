/** Chat completions with the default model's own tokenizer and template, against the reference implementation's. */
import { expect, test } from 'vitest';
import { parseChatTemplate } from '../../model/chat-template.ts';
import { defaultModel, readJson } from '../../model/testing/test-files.ts';
import { createTokenizer } from '../../model/tokenizer.ts';
import { collect, scriptedEngine } from '../testing/scripted-engine.ts';
import type { ChatMessage } from './chat-types.ts';

const tokenizerConfig = readJson<object>(`${defaultModel}/tokenizer_config.json`);
const tokenizer = createTokenizer(readJson(`${defaultModel}/tokenizer.json`), tokenizerConfig);
const template = parseChatTemplate({ jinja: null, tokenizerConfig })!;
const endToken = tokenizer.tokenId('<|im_end|>')!;

function engineOf(answer: readonly number[]) {
  return scriptedEngine(
    { answer, vocab: tokenizer.vocabSize, contextLength: 8192 },
    {
      endTokens: [endToken],
      encode: (text, options) => tokenizer.encode(text, options),
      decode: (ids) => tokenizer.decode(ids),
      tokenBytes: (id) => tokenizer.tokenBytes(id),
      createTextStream: () => tokenizer.textStream(),
      renderChat: (messages) => template.render(messages),
    },
  );
}

test('the prompt is, token for token, the reference implementation’s', async () => {
  const { chats } = readJson<{
    chats: { messages: ChatMessage[]; add_generation_prompt: boolean; ids: number[] }[];
  }>('test/data/golden/SmolLM2-135M-Instruct-4bit/tokenizer.json');
  const prompts = chats.filter((chat) => chat.add_generation_prompt);
  expect(prompts.length).toBeGreaterThan(1);
  for (const { messages, ids } of prompts) {
    const { engine, tokens } = engineOf([endToken]);
    await engine.chat.completions.create({ messages });
    expect(tokens.requests[0]?.prompt).toEqual(ids);
  }
});

test('the answer is its tokens’ text, whole, streamed and as bytes of its log-probabilities', async () => {
  const text = 'Naïve café: 東京 🤷🏽‍♀️\n\n```ts\nconst x = 1;\n```';
  const { engine } = engineOf([...tokenizer.encode(text), endToken]);
  const request = { messages: [{ role: 'user', content: 'Hi' }], logprobs: true } as const;
  const [{ message, logprobs, finish_reason: reason }] = (await engine.chat.completions.create(request))
    .choices;
  expect([message.content, reason]).toEqual([text, 'stop']);
  const bytes = logprobs?.content.flatMap((entry) => entry.bytes ?? []);
  expect(new TextDecoder().decode(Uint8Array.from(bytes ?? []))).toBe(text);
  const chunks = await collect(await engine.chat.completions.create({ ...request, stream: true }));
  expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe(text);
});

test('a conversation’s next turn finds the previous prompt and answer in the cache', async () => {
  const answer = tokenizer.encode('It is blue.');
  const { engine } = engineOf([...answer, endToken]);
  const question = { role: 'user', content: 'Why?' } as const;
  const first = await engine.chat.completions.create({ messages: [question] });
  const reply = first.choices[0].message;
  const second = await engine.chat.completions.create({ messages: [question, reply, question] });
  expect(second.usage.prompt_tokens_details.cached_tokens).toBe(
    first.usage.prompt_tokens + first.usage.completion_tokens,
  );
});
