import { expect, test } from 'vitest';
import { splitThoughts, withoutThoughts } from './thoughts.ts';

test.each([
  ['no tags', 'Hello', '', false, 'Hello'],
  ['nothing yet', '', '', false, ''],
  ['thoughts under way', '<think>\nLet me', 'Let me', true, ''],
  ['thoughts, then the answer', '<think>\nHm.\n</think>\n\nYes.\n\nNo.', 'Hm.', false, 'Yes.\n\nNo.'],
  ['no thoughts between the tags', '\n<think>\n\n</think>\n\nYes.', '', false, 'Yes.'],
  ['an opening tag that the prompt had', 'Hm.\n</think>\n\nYes.', 'Hm.', false, 'Yes.'],
  [
    'tags that the answer is about',
    'It writes <think>a</think> first.',
    '',
    false,
    'It writes <think>a</think> first.',
  ],
  ['a second pair', '<think>a</think>b <think>c</think>', 'a', false, 'b <think>c</think>'],
] as const)('%s', (_, text, thoughts, isThinking, answer) => {
  expect(splitThoughts(text)).toEqual({ thoughts, isThinking, answer });
});

test('what is copied and read out has no thoughts, unless there is nothing else', () => {
  expect(withoutThoughts('<think>Hm.</think> Yes.')).toBe('Yes.');
  expect(withoutThoughts('<think>Hm.</think>')).toBe('<think>Hm.</think>');
  expect(withoutThoughts('<think>Hm')).toBe('<think>Hm');
  expect(withoutThoughts('Yes.')).toBe('Yes.');
});
