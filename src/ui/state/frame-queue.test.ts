import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createFrameQueue } from './frame-queue.ts';

let frames: (() => void)[] = [];

beforeEach(() => {
  vi.useFakeTimers();
  frames = [];
  vi.stubGlobal('requestAnimationFrame', (run: () => void) => frames.push(run));
  vi.stubGlobal('cancelAnimationFrame', (id: number) => {
    frames[id - 1] = () => {};
  });
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('many requests before a frame run once, at the frame', () => {
  const queue = createFrameQueue();
  const run = vi.fn();
  for (let count = 0; count < 5; count++) queue.request(run);
  expect(run).not.toHaveBeenCalled();
  frames[0]!();
  vi.runAllTimers();
  expect(run).toHaveBeenCalledOnce();
  queue.request(run);
  frames[1]!();
  expect(run).toHaveBeenCalledTimes(2);
});

test('a hidden page, which gets no frames, runs it by the timer and not again at a late frame', () => {
  const queue = createFrameQueue();
  const run = vi.fn();
  queue.request(run);
  vi.advanceTimersByTime(1000);
  expect(run).toHaveBeenCalledOnce();
  frames[0]!();
  expect(run).toHaveBeenCalledOnce();
});
