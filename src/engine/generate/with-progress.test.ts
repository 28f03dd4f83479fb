import { describe, expect, test } from 'vitest';
import { withProgress } from './with-progress.ts';

const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

describe('work with progress', () => {
  test('yields every report in order, then returns what the work gives', async () => {
    const stream = withProgress<number, string>(async (report) => {
      report(1);
      await soon();
      report(2);
      report(3);
      return 'done';
    });
    const steps: unknown[] = [];
    for (let i = 0; i < 4; i++) steps.push(await stream.next());
    expect(steps).toEqual([
      { value: 1, done: false },
      { value: 2, done: false },
      { value: 3, done: false },
      { value: 'done', done: true },
    ]);
  });

  test('goes on while nobody asks, and keeps what it reported', async () => {
    let done = (): void => {};
    const isDone = new Promise<void>((resolve) => {
      done = resolve;
    });
    const seen: number[] = [];
    for await (const value of withProgress<number, void>(async (report) => {
      for (const value of [1, 2, 3]) {
        report(value);
        await soon();
      }
      done();
    })) {
      seen.push(value);
      await isDone;
    }
    expect(seen).toEqual([1, 2, 3]);
  });

  test('a failure comes after what was reported before it, also to a reader who comes late', async () => {
    const stream = withProgress<number, void>(async (report) => {
      report(1);
      throw new Error('broken');
    });
    expect(await stream.next()).toEqual({ value: 1, done: false });
    await soon();
    await expect(stream.next()).rejects.toThrow('broken');
  });

  test('a reader that leaves fires the signal, and waits until the work has ended', async () => {
    let hasEnded = false;
    for await (const _ of withProgress<number, void>(async (report, left) => {
      report(1);
      await new Promise((resolve) => left.addEventListener('abort', resolve));
      await soon();
      hasEnded = true;
      left.throwIfAborted();
    })) {
      break;
    }
    expect(hasEnded).toBe(true);
  });
});
