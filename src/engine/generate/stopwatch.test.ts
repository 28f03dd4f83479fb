import { describe, expect, test } from 'vitest';
import { Stopwatch } from './stopwatch.ts';

describe('Stopwatch', () => {
  test('separates waiting, prompt and answer', () => {
    let now = 1000;
    const watch = new Stopwatch(() => now);
    now = 1100;
    watch.start();
    watch.prefill(50);
    now = 1600;
    expect(watch.token()).toBe(0);
    now = 1700;
    expect(watch.token()).toBe(10);
    now = 2100;
    expect(watch.token()).toBe(4);
    expect(watch.timings()).toEqual({
      prefillTokens: 50,
      prefillMs: 500,
      prefillTokensPerSecond: 100,
      timeToFirstTokenMs: 600,
      decodeTokens: 2,
      decodeMs: 500,
      decodeTokensPerSecond: 4,
    });
  });

  test('shows the speed of the last two seconds', () => {
    let now = 0;
    const watch = new Stopwatch(() => now);
    watch.start();
    for (let token = 0; token < 100; token++, now += 10) watch.token();
    let live = 0;
    for (let token = 0; token < 30; token++, now += 100) live = watch.token();
    expect(live).toBeCloseTo(10, 9);
  });

  test('measures two tokens that are further apart than the window', () => {
    let now = 0;
    const watch = new Stopwatch(() => now);
    watch.start();
    watch.token();
    now = 5000;
    expect(watch.token()).toBe(0.2);
    now = 15_000;
    expect(watch.token()).toBe(0.1);
  });

  test('has no figures without tokens, and no division by zero', () => {
    let now = 0;
    const watch = new Stopwatch(() => now);
    expect(Object.values(watch.timings())).toEqual([0, 0, 0, 0, 0, 0, 0]);
    watch.start();
    watch.prefill(8);
    now = 400;
    expect(watch.timings()).toMatchObject({
      prefillMs: 400,
      prefillTokensPerSecond: 20,
      timeToFirstTokenMs: 0,
    });
  });
});
