import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { AppError, type Probe, type ProbedLayer } from '../../engine/index.ts';
import { layerFigures, lookupOf, overallFigures, pagesOf, passagesOf } from './lookup.ts';
import { createLookupSession } from './lookup-session.ts';

const pieces = [...'abcdefghij'];

/** Sink of two, window of three, lists of tokens between. */
function sparse(...lists: readonly number[][]): ProbedLayer {
  return {
    isDense: false,
    sinkEnd: 2,
    windowStart: 7,
    lists: lists.map((tokens, i) => ({ tokens: Uint32Array.from(tokens), recall: i / 4 })),
    heads: [
      { mass: 0.5, outputError: 0.25 },
      { mass: 1, outputError: 0.75 },
    ],
  };
}
const dense: ProbedLayer = {
  ...{ isDense: true, sinkEnd: 0, windowStart: 0, lists: [] },
  heads: [{ mass: 1, outputError: 0 }],
};
const probe: Probe = {
  position: 9,
  pieces: [...pieces, '!'],
  layers: [dense, sparse([3, 4], [4, 6]), sparse([4], [6])],
};

describe('what a step looked up', () => {
  test('all layers together: tokens by how many lists selected them, neighbours of one strength joined', () => {
    const { spans, lists } = lookupOf(probe, null);
    expect(lists).toBe(4);
    expect(spans.map(({ kind, text, lists: of, level }) => [kind, text, of, level])).toEqual([
      ['sink', 'ab', 0, 0],
      ['plain', 'c', 0, 0],
      ['selected', 'd', 1, 2],
      ['selected', 'e', 3, 4],
      ['plain', 'f', 0, 0],
      ['selected', 'g', 2, 3],
      ['window', 'hi', 0, 0],
      ['current', 'j', 0, 0],
    ]);
    expect(spans.map(({ text }) => text).join('')).toBe('abcdefghij');
  });

  test('one layer alone; a dense one marks nothing but the token itself', () => {
    const chosen = (layer: number) =>
      lookupOf(probe, layer).spans.map(({ kind, text, level }) => `${kind} ${text} ${level}`);
    expect(chosen(2)).toEqual([
      ...[
        'sink ab 0',
        'plain cd 0',
        'selected e 4',
        'plain f 0',
        'selected g 4',
        'window hi 0',
        'current j 0',
      ],
    ]);
    expect(chosen(0)).toEqual(['plain abcdefghi 0', 'current j 0']);
  });

  test('the passages selected most, close ones joined, with what surrounds them', () => {
    expect(passagesOf(probe, lookupOf(probe, null), 5)).toEqual([
      {
        firstToken: 3,
        parts: [
          { text: 'abc', isSelected: false },
          { text: 'de', isSelected: true },
          { text: 'f', isSelected: false },
          { text: 'g', isSelected: true },
          { text: 'hij', isSelected: false },
        ],
        lists: 3,
      },
    ]);
    const lines = { ...probe, pieces: [...'ab', '\n\n', ...'defghij', '!'] };
    expect(passagesOf(lines, lookupOf(lines, null), 1)[0]?.parts[0]?.text).toBe('ab↵');
    expect(passagesOf(probe, lookupOf(probe, 0), 5)).toEqual([]);
  });

  test('figures of layers are means over lists and heads; dense layers have none', () => {
    const layers = layerFigures(probe);
    expect(layers).toEqual([
      { index: 0, recall: null, mass: null, outputError: null },
      { index: 1, recall: 0.125, mass: 0.75, outputError: 0.5 },
      { index: 2, recall: 0.125, mass: 0.75, outputError: 0.5 },
    ]);
    expect(overallFigures(layers)).toEqual({ recall: 0.125, mass: 0.75, outputError: 0.5 });
    expect(overallFigures([])).toEqual({ recall: null, mass: null, outputError: null });
  });

  test('a long context comes in parts, every span in one of them', () => {
    const { spans } = lookupOf(probe, null);
    const pages = pagesOf(spans, 4);
    expect(pages.map((page) => page.map(({ text }) => text).join('|'))).toEqual(['ab|c|d', 'e|f|g|hi', 'j']);
    expect(pages.flat()).toEqual(spans);
  });

  test('a long context is marked quickly', () => {
    const tokens = 100_000;
    const lists = Array.from({ length: 8 }, (_, list) =>
      Array.from({ length: tokens / 32 }, (_, i) => 128 + ((i * 31 + list) % (tokens - 300))).sort(
        (a, b) => a - b,
      ),
    );
    const layer = { ...sparse(...lists), sinkEnd: 128, windowStart: tokens - 128 };
    const long: Probe = {
      position: tokens - 1,
      pieces: new Array<string>(tokens).fill('word '),
      layers: new Array<ProbedLayer>(32).fill(layer),
    };
    const started = performance.now();
    const lookup = lookupOf(long, null);
    expect(pagesOf(lookup.spans, 8192).length).toBe(13);
    passagesOf(long, lookup, 6);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

describe('the lookup session', () => {
  test('keeps what was shown while another step is looked into; the newest wish wins', async () => {
    const answers: ((probe: Probe) => void)[] = [];
    const asked: (number | undefined)[] = [];
    const session = createLookupSession(
      () => ({
        probe: (options = {}) => {
          asked.push(options.position);
          return new Promise((resolve, reject) => {
            answers.push(resolve);
            options.signal?.addEventListener('abort', () => reject(new AppError('aborted', 'stopped')));
          });
        },
      }),
      () => false,
    );
    const first = session.follow();
    expect(session.state.value).toEqual({ kind: 'looking', last: null });
    answers[0]!(probe);
    await first;
    expect(session.state.value).toEqual({ kind: 'shown', probe });
    const second = session.look(4);
    expect(session.state.value).toEqual({ kind: 'looking', last: probe });
    const third = session.look(5);
    expect(session.state.value).toEqual({ kind: 'looking', last: probe });
    const later = { ...probe, position: 5 };
    answers[2]!(later);
    await Promise.all([second, third]);
    expect(session.state.value).toEqual({ kind: 'shown', probe: later });
    expect(asked).toEqual([undefined, 4, 5]);
    session.close();
    expect(session.state.value).toEqual({ kind: 'none' });
  });

  describe('following an answer', () => {
    beforeEach(() => vi.useFakeTimers());
    afterEach(() => vi.useRealTimers());

    /** Every look takes `took` milliseconds and sees one more token. */
    function following(took: number) {
      const answer = { isWritten: true };
      const seen: { readonly position: number | undefined; readonly at: number }[] = [];
      const began = performance.now();
      const session = createLookupSession(
        () => ({
          probe: async ({ position } = {}) => {
            seen.push({ position, at: performance.now() - began });
            const step = { ...probe, position: position ?? 100 + seen.length };
            await new Promise((resolve) => setTimeout(resolve, took));
            return step;
          },
        }),
        () => answer.isWritten,
      );
      return { session, answer, seen };
    }

    test('looks again a second after the look before, or as long after it as that took', async () => {
      for (const [took, every] of [
        [200, 1200],
        [3000, 6000],
      ] as const) {
        const { session, answer, seen } = following(took);
        const ended = session.follow();
        await vi.advanceTimersByTimeAsync(2 * every + took);
        expect(seen.map(({ at }) => at)).toEqual([0, every, 2 * every]);
        expect(session.state.value).toMatchObject({ kind: 'shown', probe: { position: 103 } });
        expect(session.isFollowing.value).toBe(true);
        answer.isWritten = false;
        await vi.advanceTimersByTimeAsync(10 * every);
        await ended;
        expect(seen.length).toBe(4); // the last step, once it is the last
        expect(session.state.value).toMatchObject({ kind: 'shown', probe: { position: 104 } });
        expect(session.isFollowing.value).toBe(false);
      }
    });

    test('ends with another wish, in a look or between two, and is taken up again', async () => {
      const { session, seen } = following(400);
      for (const wait of [100, 700]) {
        const ended = session.follow();
        await vi.advanceTimersByTimeAsync(wait);
        const looked = session.look(7);
        expect(session.isFollowing.value).toBe(false);
        await vi.advanceTimersByTimeAsync(9000);
        await Promise.all([ended, looked]);
        expect(session.state.value).toMatchObject({ kind: 'shown', probe: { position: 7 } });
        expect(seen.splice(0).map(({ position }) => position)).toEqual([undefined, 7]);
      }
      const closed = session.follow();
      await vi.advanceTimersByTimeAsync(100);
      session.close();
      await vi.advanceTimersByTimeAsync(9000);
      await closed;
      expect(session.state.value).toEqual({ kind: 'none' });
      expect(session.isFollowing.value).toBe(false);
      expect(seen.length).toBe(1);
    });
  });

  test('a failure is shown, and so is a missing model', async () => {
    const failing = createLookupSession(
      () => ({
        probe: () => Promise.reject(new AppError('invalid-request', 'no context')),
      }),
      () => true,
    );
    await failing.follow();
    expect(failing.isFollowing.value).toBe(false);
    expect(failing.state.value).toEqual({
      kind: 'failed',
      fault: { code: 'invalid-request', message: 'no context' },
    });
    const none = createLookupSession(
      () => null,
      () => false,
    );
    await none.look(0);
    expect(none.state.value).toMatchObject({ kind: 'failed', fault: { message: 'No model is loaded.' } });
  });
});
