/** Storage in the real browser. The node projects have none: there it must say so. */
import { afterEach, describe, expect, test } from 'vitest';
import type { OpfsJob, OpfsResult } from '../../../test/support/opfs-worker.ts';
import { AppError } from '../../errors.ts';
import { Random, runSeed } from '../../kernels/testing/random.ts';
import { openSource } from './open-source.ts';
import { canOpenOpfsFiles, openOpfsStore } from './storage/opfs-store.ts';
import { deleteStoredModel, listStoredModels } from './storage/stored-model.ts';

const hasOpfs = globalThis.navigator?.storage?.getDirectory !== undefined;
const MiB = 2 ** 20;

describe.runIf(hasOpfs)('browser storage', () => {
  const random = new Random(runSeed);
  const seed = random.integer(0, 1e9);
  const size = 20 * MiB + random.integer(1, 1000);
  const workers: Worker[] = [];
  let repo = '';

  afterEach(async () => {
    for (const worker of workers.splice(0)) worker.terminate();
    // Locks of a terminated worker are released a moment later.
    for (const { id } of await listStoredModels()) await patiently(() => deleteStoredModel(id));
    expect(await listStoredModels()).toEqual([]);
  });

  function start(job: Partial<OpfsJob>): Promise<OpfsResult> {
    const worker = new Worker(new URL('../../../test/support/opfs-worker.ts', import.meta.url), {
      type: 'module',
    });
    workers.push(worker);
    return new Promise((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<OpfsResult>) => resolve(data);
      worker.onerror = (event) => reject(new Error(`worker: ${event.message}`));
      worker.postMessage({ repo, size, seed, begin: 0, end: size, ...job } satisfies OpfsJob);
    });
  }

  /** As when the page is closed: nothing is told to the worker. */
  async function endWorkers(): Promise<void> {
    for (const worker of workers.splice(0)) worker.terminate();
    await new Promise((resolve) => setTimeout(resolve, 300));
  }

  function useModel(name: string): void {
    repo = `test/${name}-${random.integer(0, 1e9)}`;
  }

  test(`a downloaded model is read back after a reload, without network (seed ${runSeed})`, async () => {
    useModel('kept');
    expect(await start({})).toMatchObject({ gotBytes: size, wrongBytes: 0, warnings: [], error: null });
    await endWorkers();
    const again = await start({ isOffline: true });
    expect(again).toMatchObject({
      gotBytes: size,
      wrongBytes: 0,
      warnings: ['download-failed'],
      error: null,
    });
    expect(again.traffic).toEqual({ networkBytes: 0, storageBytes: size });
    expect(await listStoredModels()).toMatchObject([
      { name: repo, version: 'c'.repeat(40), storedBytes: size, totalBytes: size },
    ]);
  });

  test(`a download killed midway goes on from the last entry of its journal (seed ${runSeed})`, async () => {
    useModel('killed');
    await start({ stallAfter: 18 * MiB });
    await endWorkers();
    const resumed = await start({});
    expect(resumed).toMatchObject({ gotBytes: size, wrongBytes: 0, warnings: [], error: null });
    expect(resumed.traffic.storageBytes).toBeGreaterThanOrEqual(16 * MiB);
    expect(resumed.traffic.storageBytes).toBeLessThan(18 * MiB);
  });

  test(`ranges may be stored in any order, with holes (seed ${runSeed})`, async () => {
    useModel('holes');
    const middle = random.integer(2 * MiB, 5 * MiB);
    expect(await start({ begin: middle, end: middle + MiB, close: true })).toMatchObject({ wrongBytes: 0 });
    const whole = await start({});
    expect(whole).toMatchObject({ gotBytes: size, wrongBytes: 0, warnings: [] });
    expect(whole.traffic.storageBytes).toBe(MiB + 2 ** 16);
  });

  test('a complete model is read by two workers at a time', async () => {
    useModel('shared');
    await start({ close: true });
    const both = await Promise.all([start({}), start({})]);
    for (const result of both) {
      expect(result).toMatchObject({ gotBytes: size, wrongBytes: 0, warnings: [] });
      expect(result.traffic.networkBytes).toBe(0);
    }
  });

  test('a file being downloaded elsewhere is read from the network; deleting it is refused', async () => {
    useModel('locked');
    await start({ stallAfter: MiB });
    const other = await start({});
    expect(other).toMatchObject({
      gotBytes: size,
      wrongBytes: 0,
      warnings: ['feature-missing'],
      error: null,
    });
    const [model] = await listStoredModels();
    await expect(deleteStoredModel(model!.id)).rejects.toThrow(AppError);
  });

  test('a stored file cut short is found and fetched again', async () => {
    useModel('short');
    await start({ close: true });
    const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('models');
    for await (const folder of root.values()) {
      const file = await (folder as FileSystemDirectoryHandle).getFileHandle('model.safetensors.data');
      const writable = await file.createWritable({ keepExistingData: true });
      await writable.truncate(size - 1);
      await writable.close();
    }
    const again = await start({});
    expect(again).toMatchObject({ gotBytes: size, wrongBytes: 0, error: null });
    expect(again.traffic).toEqual({ networkBytes: size, storageBytes: 0 });
  });
});

test.runIf(!hasOpfs || !canOpenOpfsFiles())(
  'outside a worker, storage says that it is not there',
  async () => {
    const warnings: AppError[] = [];
    const fetch = (async () => new Response('{}')) as typeof globalThis.fetch;
    const url = 'https://models.example/tiny';
    const source = await openSource(
      { kind: 'url', url },
      { fetch, onWarning: (warning) => warnings.push(warning) },
    );
    expect((await source.readAll('config.json', { maxBytes: 10 }))!.length).toBe(2);
    expect(warnings.map(({ code }) => code)).toEqual(['feature-missing']);
    expect(canOpenOpfsFiles()).toBe(false);
    if (hasOpfs) return;
    expect(await openOpfsStore()).toBeNull();
    expect(await listStoredModels()).toEqual([]);
  },
);

async function patiently(action: () => Promise<void>): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await action();
    } catch (error) {
      if (attempt === 20) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
