import { expect, test } from 'vitest';
import type { MemoryPlan, Timings } from '../../engine/index.ts';
import { type Answer, ask, emptyConversation, foldChunk, settle } from './conversation.ts';
import { answerSummary, figureGroups } from './figures.ts';

const plan = { contextLength: 8192 } as MemoryPlan;

function figure(answer: Answer | null, wanted: string): string | undefined {
  const groups = figureGroups(answer, plan, null);
  return groups.flatMap(({ figures }) => figures).find(({ name }) => name === wanted)?.value;
}

const tokens = (answer: Answer | null) => figure(answer, 'Tokens');
const asked = ask(emptyConversation, 'Hi').turns[0]!.answer;
const chunk = { id: 'a', object: 'chat.completion.chunk', created: 0, model: 'm', choices: [] } as const;
const live = {
  ...{ context_tokens: 2001, attended_tokens: 2000, attention_bytes: 1, dense_attention_bytes: 1 },
  tokens_per_second: 40,
};

test('tokens of the context: none before the first question, those read while it is read, all while an answer is written', () => {
  const prefill = { done_tokens: 1500, total_tokens: 2000, cached_tokens: 0 };
  const reading = foldChunk(asked, { ...chunk, prefill });
  expect(tokens(null)).toBe('0 of 8,192');
  expect(tokens(asked)).toBe('–');
  expect(tokens(reading)).toBe('1,500 of 8,192');
  expect(tokens(foldChunk(reading, { ...chunk, live }))).toBe('2,001 of 8,192');
});

test('what the prompt took shows from the first token on, what was cached before; the speed is live until the end', () => {
  const timings = {
    prefillTokensPerSecond: 900,
    timeToFirstTokenMs: 250,
    decodeTokensPerSecond: 0,
  } as Timings;
  const prefill = { done_tokens: 30, total_tokens: 40, cached_tokens: 30 };
  const reading = foldChunk(asked, { ...chunk, prefill });
  const of = (answer: Answer) =>
    ['Decode', 'Prefill', 'First token', 'Reused from cache'].map((name) => figure(answer, name));
  expect(of(reading)).toEqual(['–', '–', '–', '30']);
  const writing = foldChunk(reading, { ...chunk, live, timings });
  expect(of(writing)).toEqual(['40.0 tok/s', '900 tok/s', '250 ms', '30']);
  const stopped = settle(writing, { kind: 'stopped' });
  const first = { ...live, tokens_per_second: 0 };
  expect(of(foldChunk(reading, { ...chunk, live: first, timings }))[0], 'of one token').toBe('–');
  expect(of(stopped), 'before the engine has ended').toEqual(of(writing));
  const whole = { ...timings, decodeTokens: 9, decodeTokensPerSecond: 38 };
  expect(of({ ...stopped, timings: whole })).toEqual(['38.0 tok/s', '900 tok/s', '250 ms', '30']);
});

test('an answer stopped before its first token has no time to it', () => {
  const timings = { prefillTokensPerSecond: 900, timeToFirstTokenMs: 0, decodeTokens: 0 } as Timings;
  const stopped = { ...settle(asked, { kind: 'stopped' }), timings };
  expect(figure(stopped, 'First token')).toBe('–');
  expect(answerSummary(stopped)).toBe('');
});
