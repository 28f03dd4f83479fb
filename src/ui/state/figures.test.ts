import { expect, test } from 'vitest';
import type { MemoryPlan } from '../../engine/index.ts';
import { type Answer, ask, emptyConversation, foldChunk } from './conversation.ts';
import { figureGroups } from './figures.ts';

const plan = { contextLength: 8192 } as MemoryPlan;

function tokens(answer: Answer | null): string | undefined {
  const groups = figureGroups(answer, plan, null);
  return groups.flatMap(({ figures }) => figures).find(({ name }) => name === 'Tokens')?.value;
}

test('tokens of the context: none before the first question, those read while it is read, all while an answer is written', () => {
  const asked = ask(emptyConversation, 'Hi').turns[0]!.answer;
  const chunk = { id: 'a', object: 'chat.completion.chunk', created: 0, model: 'm', choices: [] } as const;
  const reading = foldChunk(asked, { ...chunk, prefill: { done_tokens: 1500, total_tokens: 2000 } });
  const live = {
    ...{ context_tokens: 2001, attended_tokens: 2000, attention_bytes: 1, dense_attention_bytes: 1 },
    tokens_per_second: 1,
  };
  expect(tokens(null)).toBe('0 of 8,192');
  expect(tokens(asked)).toBe('– of 8,192');
  expect(tokens(reading)).toBe('1,500 of 8,192');
  expect(tokens(foldChunk(reading, { ...chunk, live }))).toBe('2,001 of 8,192');
});
