/** Who waits for whose download, with locks as browsers have them. */
import { describe, expect, test } from 'vitest';
import { promised } from '../../../test/support/promised.ts';
import { AppError } from '../../errors.ts';
import type { EngineOptions, EngineStatus } from '../api.ts';
import type { StoredModel } from '../source/storage/stored-model.ts';
import { inDownloadTurn } from './download-turn.ts';

type Granted = (lock: Lock | null) => unknown;

/** Exclusive locks, granted in order. @see https://w3c.github.io/web-locks/ */
class Locks {
  readonly #ends = new Map<string, Promise<unknown>>();

  readonly request = (async (name: string, options: LockOptions, granted: Granted) => {
    const before = this.#ends.get(name);
    if (before && options.ifAvailable) return granted(null);
    const stopped = promised<never>();
    options.signal?.addEventListener('abort', () => stopped.reject(options.signal!.reason));
    const turn = Promise.race([before?.catch(() => undefined), stopped.promise]).then(() =>
      granted({ name, mode: 'exclusive' }),
    );
    this.#ends.set(name, turn);
    try {
      return await turn;
    } finally {
      if (this.#ends.get(name) === turn) this.#ends.delete(name);
    }
  }) as LockManager['request'];
}

/** Tabs of one browser; each load ends when the test says so. */
function openBrowser(
  stored: readonly StoredModel[] = [],
  locks: Pick<LockManager, 'request'> | null = new Locks(),
) {
  const begun: string[] = [];
  const tab = (name: string, options: Partial<EngineOptions> = {}) => {
    const statuses: EngineStatus[] = [];
    const work = promised<string>();
    const load = inDownloadTurn(
      { model: 'someone/model', onStatus: (status) => statuses.push(status), ...options },
      () => {
        begun.push(name);
        return work.promise;
      },
      { locks: locks ?? undefined, storedModels: async () => stored },
    );
    return { load, statuses, ...work };
  };
  return { begun, tab };
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

const ended = { kind: 'waiting', reason: null } as const;
const waits = { kind: 'waiting', reason: expect.stringContaining('Another tab') };

describe('a download', () => {
  test('is waited for by others of the same model, told, and then followed', async () => {
    const { begun, tab } = openBrowser();
    const first = tab('first');
    await settled();
    const second = tab('second');
    await settled();
    expect(begun).toEqual(['first']);
    expect(first.statuses).toEqual([]);
    expect(second.statuses).toEqual([waits]);
    first.resolve('loaded');
    expect(await first.load).toBe('loaded');
    await settled();
    expect(begun).toEqual(['first', 'second']);
    expect(second.statuses).toEqual([waits, ended]);
    second.resolve('from storage');
    expect(await second.load).toBe('from storage');
    expect(first.statuses).toEqual([]);
  });

  test('that failed is followed, too, and its own fault is its own', async () => {
    const { begun, tab } = openBrowser();
    const first = tab('first');
    await settled();
    const second = tab('second');
    const fault = new AppError('download-failed', 'cut');
    first.reject(fault);
    await expect(first.load).rejects.toBe(fault);
    await settled();
    expect(begun).toEqual(['first', 'second']);
    second.reject(fault);
    await expect(second.load).rejects.toBe(fault);
  });

  test('is not waited for by another model, a whole one, one not to be kept, local files, nor without locks', async () => {
    const { begun, tab } = openBrowser();
    tab('first');
    await settled();
    tab('other model', { model: 'someone/other' });
    tab('other revision', { revision: 'v2' });
    tab('not kept', { useStorage: false });
    tab('local', { model: { kind: 'files', files: [] } });
    await settled();
    expect(begun.slice(1).sort()).toEqual(['local', 'not kept', 'other model', 'other revision']);

    const id = 'hub https://huggingface.co someone/model main';
    const model = { id, name: 'model', revision: 'main', version: null };
    const whole = openBrowser([{ ...model, storedBytes: 9, totalBytes: 9 }]);
    whole.tab('a');
    whole.tab('b');
    await settled();
    expect(whole.begun).toEqual(['a', 'b']);
    const part = openBrowser([{ ...model, storedBytes: 8, totalBytes: 9 }]);
    part.tab('a');
    part.tab('b');
    await settled();
    expect(part.begun).toEqual(['a']);
    const old = openBrowser([], null);
    old.tab('a');
    old.tab('b');
    await settled();
    expect(old.begun).toEqual(['a', 'b']);
  });

  test('goes on, once, where the browser refuses locks; its own fault is no refusal', async () => {
    const refusal = new DOMException('Access to the Locks API is denied in this context.', 'SecurityError');
    const { begun, tab } = openBrowser([], { request: () => Promise.reject(refusal) });
    const [first, second] = [tab('first'), tab('second')];
    await settled();
    expect(begun).toEqual(['first', 'second']);
    first.resolve('loaded');
    expect(await first.load).toBe('loaded');
    const fault = new AppError('download-failed', 'cut');
    second.reject(fault);
    await expect(second.load).rejects.toBe(fault);
    const allowed = openBrowser();
    const only = allowed.tab('only');
    await settled();
    only.reject(fault);
    await expect(only.load).rejects.toBe(fault);
    expect([...begun, ...allowed.begun]).toEqual(['first', 'second', 'only']);
    expect([first, second, only].flatMap(({ statuses }) => statuses)).toEqual([]);
  });

  test('need not be waited for to the end', async () => {
    const { begun, tab } = openBrowser();
    tab('first');
    await settled();
    const stop = new AbortController();
    const second = tab('second', { signal: stop.signal });
    await settled();
    stop.abort();
    await expect(second.load).rejects.toMatchObject({ code: 'aborted' });
    expect(begun).toEqual(['first']);
  });
});
