/** What work goes on without: sent for once, tried again after a while, and whose faults it is told. */
import { expect, test } from 'vitest';
import { type Promised, promised } from '../../../test/support/promised.ts';
import { AppError } from '../../errors.ts';
import { Arrival } from './arrival.ts';

const failure = new AppError('download-failed', 'no connection');

/** An arrival whose fetches the test settles one by one, with a clock of its own. */
function openArrival() {
  const fetches: Promised<{ readonly name: string }>[] = [];
  const failures: AppError[] = [];
  const clock = { ms: 1000 };
  const arrival = new Arrival({
    fetch: () => {
      const fetch = promised<{ readonly name: string }>();
      fetches.push(fetch);
      return fetch.promise;
    },
    onFailure: (error) => failures.push(error),
    now: () => clock.ms,
  });
  return { arrival, fetches, failures, clock };
}

/** Whatever was settled has had its consequences. */
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

test('is sent for when first wanted, once, and there from when it arrived', async () => {
  const { arrival, fetches, failures } = openArrival();
  expect(fetches.length).toBe(0);
  for (let i = 0; i < 3; i++) expect(arrival.get()).toBeUndefined();
  expect(fetches.length).toBe(1);
  const maps = { name: 'maps' };
  fetches[0]!.resolve(maps);
  await settled();
  for (let i = 0; i < 3; i++) expect(arrival.get()).toBe(maps);
  expect(fetches.length).toBe(1);
  expect(failures).toEqual([]);
});

test('what failed is told, and tried again half a minute later', async () => {
  const { arrival, fetches, failures, clock } = openArrival();
  arrival.get();
  fetches[0]!.reject(failure);
  await settled();
  expect(failures).toEqual([failure]);
  clock.ms += 29_999;
  expect(arrival.get()).toBeUndefined();
  expect(fetches.length).toBe(1);
  clock.ms += 1;
  expect(arrival.get()).toBeUndefined();
  expect(fetches.length).toBe(2);
  fetches[1]!.resolve({ name: 'maps' });
  await settled();
  expect(arrival.get()).toEqual({ name: 'maps' });
});

test('a bug is thrown, not told', async () => {
  const { arrival, fetches, failures } = openArrival();
  arrival.get();
  fetches[0]!.reject(new Error('a bug'));
  await settled();
  expect(() => arrival.get()).toThrow('a bug');
  expect(failures).toEqual([]);
});
