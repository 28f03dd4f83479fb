import { expect, test } from 'vitest';
import { type AnswerState, ask, emptyConversation, updateAnswer } from './conversation.ts';
import { keptTurns, parseConversation } from './kept-conversation.ts';

function turn(question: string, text: string, state: AnswerState) {
  const asked = ask(emptyConversation, question).turns[0]!;
  return { ...asked, answer: { ...asked.answer, text, state } };
}

test('words and endings survive; an answer that had not ended is a stopped one', () => {
  const turns = [
    turn('a', 'A', { kind: 'finished', reason: 'stop' }),
    turn('b', 'B', { kind: 'finished', reason: 'length' }),
    turn('c', 'C', { kind: 'failed', fault: { code: 'device-lost', message: 'gone' } }),
    turn('d', '', { kind: 'waiting' }),
  ];
  const stored: unknown = JSON.parse(JSON.stringify(keptTurns({ turns, nextId: 9 })));
  const again = parseConversation(stored);
  expect(again.turns.map(({ question, answer }) => [question, answer.text, answer.state])).toEqual([
    ['a', 'A', { kind: 'finished', reason: 'stop' }],
    ['b', 'B', { kind: 'finished', reason: 'length' }],
    ['c', 'C', { kind: 'stopped' }],
    ['d', '', { kind: 'stopped' }],
  ]);
});

test('restored turns have ids of their own, and the next one has another', () => {
  const again = parseConversation([1, 2, 3].map((n) => ({ question: `q${n}`, text: '' })));
  const ids = ask(again, 'next').turns.map(({ id }) => id);
  expect(new Set(ids).size).toBe(4);
  const changed = updateAnswer(again, ids[1]!, (answer) => ({ ...answer, text: 'x' }));
  expect(changed.turns.map(({ answer }) => answer.text)).toEqual(['', 'x', '']);
});

test.each([
  [null],
  ['text'],
  [{}],
  [[null, 7, { question: 'q' }, { text: 't' }, { question: 'q', text: 't', reason: 'error' }]],
])('what is no conversation gives an empty one: %j', (stored) => {
  expect(parseConversation(stored)).toEqual(emptyConversation);
});
