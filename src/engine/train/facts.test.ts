import { describe, expect, test } from 'vitest';
import { runSeed } from '../../kernels/testing/random.ts';
import type { ChatMessage } from '../chat/chat-types.ts';
import { drawFact, factDrawer } from './facts.ts';
import { SeededRandom } from './seeded-random.ts';

const encode = (text: string): number[] => [...text].map((char) => char.codePointAt(0)!);
const decode = (ids: readonly number[]): string => String.fromCodePoint(...ids);
const render = (messages: readonly ChatMessage[]): string =>
  `${messages.map(({ role, content }) => `<${role}>${content}</>`).join('')}<assistant>`;

const many = 400;

describe(`made-up facts (seed ${runSeed})`, () => {
  const random = new SeededRandom(runSeed);
  const facts = Array.from({ length: many }, () => drawFact(random));

  test('an answer says what is stated, a question does not', () => {
    const numbers = (text: string): string[] => text.match(/\d+/g) ?? [];
    for (const { statement, question, answer } of facts) {
      expect(numbers(answer).toSorted(), statement).toEqual(numbers(statement).toSorted());
      expect(numbers(question), question).toEqual([]);
      const asked = new Set(question.match(/\w+/g));
      const said = [...new Set(answer.match(/\w+/g))].filter((word) => !asked.has(word));
      expect(said.length, `${question} ${answer}`).toBeGreaterThan(0);
      for (const name of question.match(/(?<= )[A-Z]\w+/g) ?? []) expect(statement).toContain(name);
    }
  });

  test('most differ, and none is of a form that maps are judged by', () => {
    // Two of 400 are the same once in some thousand seeds: rooms of one number and people of one name.
    expect(new Set(facts.map(({ statement }) => statement)).size).toBeGreaterThan(0.99 * many);
    expect(new Set(facts.map(({ question }) => question)).size).toBeGreaterThan(0.9 * many);
    const judged = /locker|magic number|garden gate|lottery ticket/i;
    expect(facts.filter(({ statement }) => judged.test(statement))).toEqual([]);
  });

  test('every other exchange is the next turn of a chat, as the model writes it', () => {
    const draw = factDrawer({ encode, renderChat: render });
    const texts = Array.from({ length: many }, () => decode(draw(random).exchange));
    const turns = texts.filter((text) => /^<\/><user>[^<]+\?<\/><assistant>[^<]+\.$/.test(text));
    const lines = texts.filter((text) => /^\n\n[^<\n]+\?\n[^<\n]+\.\n\n$/.test(text));
    expect(turns.length + lines.length).toBe(many);
    // 400 fair coins: 13 standard deviations
    expect(Math.abs(turns.length - lines.length)).toBeLessThan(260);
  });

  test.each([
    ['none', null],
    [
      'one that refuses',
      () => {
        throw new Error('no');
      },
    ],
    [
      'one that does not append',
      (messages: readonly ChatMessage[]) => `${messages.length}${render(messages)}`,
    ],
  ])('without a usable chat template (%s), exchanges are plain text', (_, renderChat) => {
    const draw = factDrawer({ encode, renderChat });
    for (let i = 0; i < 20; i++)
      expect(decode(draw(random).exchange)).toMatch(/^\n\n[^\n]+\?\n[^\n]+\.\n\n$/);
  });
});
