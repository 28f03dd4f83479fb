/** What is refused before anything is trained, and whose turn it is. */
import { describe, expect, test } from 'vitest';
import { bytesOf, collect, eos, errorOf, memoryPlan, scriptedEngine } from '../testing/scripted-engine.ts';
import { encodeTexts } from './encode-texts.ts';
import { EventQueue } from './event-queue.ts';
import { trainOptions } from './learn-signatures.ts';
import { learningDefaults } from './learning-defaults.ts';
import { defaultTrainOptions } from './train-options.ts';

const plan = { ...memoryPlan, contextLength: 1024 };
/** Half of a surrogate pair at either end. */
const halfCharacter = /[\ud800-\udbff]$|^[\udc00-\udfff]/;
const enough = ['a'.repeat(5 * 512)];

function learner() {
  return scriptedEngine({ answer: [...bytesOf('yes'), eos] }, { plan });
}

describe('learning signatures', () => {
  test.each([
    ['text that is too short', { text: ['a'.repeat(2559)] }, 'has 2559 tokens; sequences of 512 tokens'],
    ['what is no list of texts', { text: 'a' as unknown as string[] }, 'expected a list of strings'],
    ['too much text', { text: ['a'.repeat(9e6), 'b'.repeat(9e6)] }, 'has 18000000 characters'],
    ['no steps', { text: enough, steps: 0 }, 'training option steps'],
    [
      'sequences beyond the context',
      { text: enough, longest: 1025 },
      'planned context of 1024 tokens; got 1025',
    ],
    ['sequences too short for a query', { text: enough, longest: 3 }, 'training option positions'],
  ])('refuses %s', async (_, request, message) => {
    const { engine } = learner();
    const error = await errorOf(collect(engine.trainSignatures(request)));
    expect(error).toMatchObject({ code: 'invalid-request', message: expect.stringContaining(message) });
  });

  test('on a graphics card it is the trainer that says how, scaled to the context and to the steps', () => {
    const on = { contextLength: 65536, device: { ...plan.device, isCpu: false } };
    expect(trainOptions(learningDefaults(on), 65536)).toEqual(defaultTrainOptions);
    const { lengths } = defaultTrainOptions;
    const half = Math.max(...lengths) / 2;
    const few = trainOptions({ ...learningDefaults({ ...on, contextLength: half }), steps: 10 }, half);
    expect(few).toEqual({
      ...defaultTrainOptions,
      lengths: lengths.map((length) => Math.min(length, half)),
      steps: 10,
      warmUp: 1,
    });
  });

  test('waits for the answer being written, and gives up its turn when stopped', async () => {
    const { engine } = learner();
    const stop = new AbortController();
    const answer = engine.generate({ prompt: 'Hi' })[Symbol.asyncIterator]();
    await answer.next();
    const training = errorOf(collect(engine.trainSignatures({ text: enough, signal: stop.signal })));
    stop.abort();
    expect(await training).toMatchObject({ code: 'aborted' });
    for (let next = await answer.next(); !next.done; ) next = await answer.next();
    expect((await collect(engine.generate({ prompt: 'Hi' }))).at(-1)).toMatchObject({ reason: 'stop' });
  });

  test('is refused by an engine that was disposed', async () => {
    const { engine } = learner();
    await engine.dispose();
    const error = await errorOf(collect(engine.trainSignatures({ text: enough })));
    expect(error).toMatchObject({ code: 'invalid-request' });
  });
});

describe('long texts', () => {
  test('are encoded in pieces that end with lines, and never inside a character', async () => {
    const pieces: string[] = [];
    const encode = (text: string): number[] => {
      pieces.push(text);
      return bytesOf(text);
    };
    const texts = [`${'x'.repeat(40_000)}\n`.repeat(3), '🐋'.repeat(50_000), `y${'🐋'.repeat(50_000)}`, ''];
    const tokens = await encodeTexts(texts, encode, new AbortController().signal);
    expect(Array.from(tokens)).toEqual(bytesOf(texts.join('')));
    expect(pieces.slice(0, 3).map((piece) => piece.length)).toEqual([40_001, 40_001, 40_001]);
    expect(pieces.every((piece) => piece.length <= 65_536 && !halfCharacter.test(piece))).toBe(true);
  });
});

describe('events', () => {
  test('come in order, before the end and before a failure', async () => {
    const queue = new EventQueue<number>();
    let finish = (_: unknown): void => {};
    queue.endWith(new Promise((resolve) => (finish = resolve)));
    queue.push(1);
    const reading = collect(queue);
    await new Promise((resolve) => setTimeout(resolve, 1));
    queue.push(2);
    queue.push(3);
    finish(null);
    expect(await reading).toEqual([1, 2, 3]);

    const failing = new EventQueue<number>();
    failing.push(4);
    failing.endWith(Promise.reject(new Error('broke')));
    const seen: number[] = [];
    const read = async () => {
      for await (const event of failing) seen.push(event);
    };
    await expect(read()).rejects.toThrow('broke');
    expect(seen).toEqual([4]);
  });
});
