import { describe, expect, test } from 'vitest';
import { RequestQueue } from './request-queue.ts';

const never = new AbortController().signal;

async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0));
}

describe('RequestQueue', () => {
  test('lets requests in one after another, in order', async () => {
    const queue = new RequestQueue();
    const entered: number[] = [];
    const leaves = [1, 2, 3].map(async (number) => {
      const leave = await queue.enter(never);
      entered.push(number);
      return leave;
    });
    await settle();
    expect(entered).toEqual([1]);
    (await leaves[0]!)();
    await settle();
    expect(entered).toEqual([1, 2]);
    (await leaves[1]!)();
    await settle();
    expect(entered).toEqual([1, 2, 3]);
  });

  test('gives up the place of a request that is aborted while it waits, and keeps those behind it waiting', async () => {
    const queue = new RequestQueue();
    const leave = await queue.enter(never);
    const controller = new AbortController();
    const second = queue.enter(controller.signal);
    let thirdEntered = false;
    const third = queue.enter(never).then(() => {
      thirdEntered = true;
    });
    controller.abort();
    await expect(second).rejects.toMatchObject({ code: 'aborted' });
    await settle();
    expect(thirdEntered).toBe(false);
    leave();
    await third;
    expect(thirdEntered).toBe(true);
  });

  test('does not queue a request whose signal has fired already', async () => {
    const queue = new RequestQueue();
    await expect(queue.enter(AbortSignal.abort())).rejects.toMatchObject({ code: 'aborted' });
    await queue.enter(never);
  });
});
