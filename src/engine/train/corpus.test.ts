import { describe, expect, test } from 'vitest';
import { runSeed } from '../../kernels/testing/random.ts';
import { TrainCorpus } from './corpus.ts';
import { edgesOf, leastLength } from './edges.ts';
import { scheduleAt } from './schedule.ts';
import { completeTrainOptions } from './train-options.ts';

const options = completeTrainOptions({
  ...{ lengths: [700, 500], positions: 40, sink: 10, window: 20, repeatEvery: 200, heldOut: 3 },
  seed: runSeed,
});
/** Every token of the text has its own id, so that a sequence says where it comes from. */
const text = Uint32Array.from({ length: 9000 }, (_, i) => i);

describe(`training text (seed ${runSeed})`, () => {
  const corpus = new TrainCorpus(text, options);

  test('no training sequence holds a token that is kept aside', () => {
    const aside = new Set([0, 1, 2].flatMap((index) => corpus.heldOut(index).tokens));
    expect(aside.size).toBe(3 * 700);
    for (let step = 1; step <= 60; step++) {
      const { tokens } = corpus.sequence(step);
      expect(tokens.length).toBe(step % 2 === 1 ? 700 : 500);
      expect(tokens.filter((token) => aside.has(token))).toEqual([]);
    }
  });

  test('sequences are text with spans of it repeated later, as many as asked for', () => {
    const plain = new TrainCorpus(text, { ...options, repeatEvery: 0 });
    for (let step = 1; step <= 20; step++) {
      const { tokens } = plain.sequence(step);
      expect(tokens).toEqual(tokens.map((_, i) => tokens[0]! + i));
    }
    const repeated = corpus.sequence(1).tokens.filter((token, i, all) => all.indexOf(token) < i);
    // three spans of 24 to 160 tokens, which may overlap
    expect(repeated.length).toBeGreaterThanOrEqual(24);
    expect(repeated.length).toBeLessThanOrEqual(3 * 160);
  });

  test('facts are stated and asked for later in place of text, as many as asked for', () => {
    const fact = { statement: [20001, 20002], exchange: [30001, 30002, 30003] };
    const one = { ...options, repeatEvery: 0, factsEvery: 500 };
    const planted = new TrainCorpus(text, one, () => fact);
    const plain = new TrainCorpus(text, one);
    for (let step = 1; step <= 20; step++) {
      const { tokens } = planted.sequence(step);
      const around = plain.sequence(step).tokens;
      const [stated, asked] = [tokens.indexOf(20001), tokens.indexOf(30001)];
      expect(tokens.slice(stated, stated + 2)).toEqual(fact.statement);
      expect(tokens.slice(asked, asked + 3)).toEqual(fact.exchange);
      expect(asked).toBeGreaterThanOrEqual(stated + 2);
      expect(tokens.map((id, i) => (id > 20000 ? around[i] : id))).toEqual(around);
    }
    const none = new TrainCorpus(text, { ...one, factsEvery: 0 }, () => fact);
    expect(none.sequence(1)).toEqual(plain.sequence(1));
    const longer = new TrainCorpus(text, one, () => ({ ...fact, exchange: Array(700).fill(1) }));
    expect(longer.sequence(1), 'a fact that is too long for the sequence').toEqual(plain.sequence(1));
  });

  test('positions have candidates, ascend and differ', () => {
    const positions = [...corpus.sequence(4).positions];
    expect(positions).toEqual([...new Set(positions)].sort((a, b) => a - b));
    expect(positions.length).toBe(40);
    expect(positions[0]).toBeGreaterThanOrEqual(30);
    expect(positions.at(-1)).toBeLessThan(500);
  });

  test('the same seed gives the same sequences whatever was drawn before, another one others', () => {
    const again = new TrainCorpus(text, options);
    expect(again.sequence(7)).toEqual(corpus.sequence(7));
    const other = new TrainCorpus(text, { ...options, seed: runSeed + 1 });
    expect(other.sequence(7)).not.toEqual(corpus.sequence(7));
  });

  test('text that is too short is refused with the number it takes', () => {
    expect(() => new TrainCorpus(text.subarray(0, 4899), options)).toThrow(
      'The training text has 4899 tokens; sequences of 700 tokens, with 3 kept aside, need 4900. Give more text, or shorter lengths.',
    );
    expect(new TrainCorpus(text.subarray(0, 4900), options).sequence(1).tokens.length).toBe(700);
  });
});

describe('options', () => {
  test.each([
    [{ bits: 24 as 32 }, 'bits: expected 16 or 32 or 64; got 24'],
    [{ lengths: [437] }, 'lengths: expected an integer from 438'],
    [{ factsEvery: -1 }, 'factsEvery: expected an integer from 0'],
    [{ rate: Number.NaN }, 'rate: expected a number from 0 to 1; got NaN'],
    [{ hidden: [300] }, 'hidden: expected an integer from 1 to 256; got 300'],
    [{ beta: [1] as unknown as [number, number] }, 'beta: expected two numbers'],
  ])('%o is refused', (wrong, message) => {
    expect(() => completeTrainOptions(wrong)).toThrow(message);
  });

  test('edges are a sixteenth of a short sequence, and the shortest length has room for all positions', () => {
    const edges = { sink: 128, window: 40 };
    expect(edgesOf(edges, 8192)).toEqual(edges);
    expect(edgesOf(edges, 1024)).toEqual({ sink: 64, window: 40 });
    expect(edgesOf(edges, 5)).toEqual({ sink: 1, window: 1 });
    for (const positions of [1, 40, 384, 3000]) {
      const least = leastLength({ ...edges, positions });
      const room = (tokens: number): number => {
        const { sink, window } = edgesOf(edges, tokens);
        return tokens - sink - window;
      };
      expect(room(least), `${positions} positions`).toBeGreaterThanOrEqual(positions);
      expect(room(least - 1), `${positions} positions`).toBeLessThan(positions);
    }
  });

  test('the rate warms up and falls along a cosine, β rises in a line', () => {
    const schedule = { ...options, steps: 101, warmUp: 10, rate: 1, lastRate: 0.2, beta: [1, 5] } as const;
    const at = (step: number) => scheduleAt(step, schedule);
    expect(at(1).rate).toBeCloseTo(0.1, 10);
    expect(at(51)).toEqual({ rate: expect.closeTo(0.6, 10), beta: 3 });
    expect(at(101)).toEqual({ rate: expect.closeTo(0.2, 10), beta: 5 });
  });
});
