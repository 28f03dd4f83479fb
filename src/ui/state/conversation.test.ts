import { describe, expect, test } from 'vitest';
import type { ChatCompletionChunk } from '../../engine/index.ts';
import {
  type Answer,
  ask,
  askInstead,
  clear,
  emptyConversation,
  foldChunk,
  settle,
  toChatMessages,
  updateAnswer,
} from './conversation.ts';

const empty = ask(emptyConversation, 'q').turns[0]!.answer;

function chunk(
  fields: Partial<ChatCompletionChunk> & { content?: string; finish?: 'stop' | 'length' },
): ChatCompletionChunk {
  const { content, finish, ...rest } = fields;
  return {
    id: 'id',
    object: 'chat.completion.chunk',
    created: 0,
    model: 'm',
    choices: [
      {
        index: 0,
        delta: content === undefined ? {} : { content },
        logprobs: null,
        finish_reason: finish ?? null,
      },
    ],
    ...rest,
  };
}

const answered = (text: string): Answer => ({ ...empty, text, state: { kind: 'finished', reason: 'stop' } });

describe('folding chunks', () => {
  test('a prompt being read, then text, then the end with its figures', () => {
    const reading = foldChunk(
      empty,
      chunk({ prefill: { done_tokens: 3, total_tokens: 9, cached_tokens: 2 } }),
    );
    expect(reading).toMatchObject({
      state: { kind: 'reading', doneTokens: 3, totalTokens: 9 },
      cachedTokens: 2,
    });
    const live = {
      ...{ context_tokens: 10, attended_tokens: 8, tokens_per_second: 5 },
      ...{ attention_bytes: 80, dense_attention_bytes: 100 },
    };
    const writing = foldChunk(reading, chunk({ content: 'Hel', live }));
    expect(writing).toMatchObject({
      text: 'Hel',
      state: { kind: 'writing' },
      live: { contextTokens: 10, attendedTokens: 8, tokensPerSecond: 5 },
    });
    const finished = foldChunk(writing, chunk({ content: 'lo', finish: 'length' }));
    expect(finished).toMatchObject({ text: 'Hello', state: { kind: 'finished', reason: 'length' } });
    const usage = {
      prompt_tokens: 9,
      completion_tokens: 2,
      total_tokens: 11,
      prompt_tokens_details: { cached_tokens: 4 },
    };
    const last = foldChunk(finished, { ...chunk({}), choices: [], usage });
    expect(last).toMatchObject({ text: 'Hello', state: { kind: 'finished', reason: 'length' }, usage });
  });

  test('the chunk that only names the role leaves the answer waiting', () => {
    const role = chunk({});
    expect(
      foldChunk(empty, {
        ...role,
        choices: [{ ...role.choices[0]!, delta: { role: 'assistant', content: '' } }],
      }).state,
    ).toEqual({ kind: 'waiting' });
  });

  test('a token without text yet, half a character, counts as writing', () => {
    const live = {
      ...{ context_tokens: 1, attended_tokens: 1, tokens_per_second: 1 },
      ...{ attention_bytes: 1, dense_attention_bytes: 1 },
    };
    expect(foldChunk(empty, chunk({ content: '', live })).state).toEqual({ kind: 'writing' });
  });
});

describe('changing the conversation', () => {
  const three = ask(ask(ask(emptyConversation, 'a'), 'b'), 'c');

  test('an edit cuts there, and the new turn has an id never used before', () => {
    const edited = askInstead(three, three.turns[1]!.id, 'B');
    expect(edited.turns.map((turn) => turn.question)).toEqual(['a', 'B']);
    expect(three.turns.map((turn) => turn.id)).not.toContain(edited.turns[1]!.id);
    expect(edited.turns[0]).toBe(three.turns[0]);
  });

  test('an edit of a turn that is gone changes nothing', () => {
    expect(askInstead(three, 99, 'x')).toBe(three);
  });

  test('updating an answer keeps the identity of all other turns', () => {
    const updated = updateAnswer(three, three.turns[2]!.id, () => answered('x'));
    expect(updated.turns[0]).toBe(three.turns[0]);
    expect(updated.turns[1]).toBe(three.turns[1]);
    expect(updated.turns[2]!.answer.text).toBe('x');
  });

  test('a late chunk of an earlier conversation finds no turn after clearing', () => {
    const late = three.turns[0]!.id;
    const next = ask(clear(three), 'new');
    expect(updateAnswer(next, late, () => answered('late')).turns[0]!.answer.text).toBe('');
  });

  test('stopping keeps the text, and leaves a finished answer as it is', () => {
    expect(settle({ ...empty, text: 'par' }, { kind: 'stopped' })).toMatchObject({
      text: 'par',
      state: { kind: 'stopped' },
    });
    const done = answered('all');
    expect(settle(done, { kind: 'stopped' })).toBe(done);
  });
});

describe('the messages sent', () => {
  test('system prompt first, then questions and answers; the open question last', () => {
    let conversation = ask(emptyConversation, 'a');
    conversation = updateAnswer(conversation, 1, () => answered('A'));
    conversation = ask(conversation, 'b');
    expect(toChatMessages(conversation, 'be brief')).toEqual([
      { role: 'system', content: 'be brief' },
      { role: 'user', content: 'a' },
      { role: 'assistant', content: 'A' },
      { role: 'user', content: 'b' },
    ]);
    expect(toChatMessages(conversation, '  ')[0]).toEqual({ role: 'user', content: 'a' });
  });

  test('a question whose answer never came joins the next one, so that roles alternate', () => {
    const conversation = ask(ask(emptyConversation, 'a'), 'b');
    expect(toChatMessages(conversation, '')).toEqual([{ role: 'user', content: 'a\n\nb' }]);
  });
});
