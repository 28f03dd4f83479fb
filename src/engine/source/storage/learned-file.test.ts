import { beforeEach, describe, expect, test } from 'vitest';
import { MemoryStore } from '../../../../test/support/memory-store.ts';
import { Random, runSeed } from '../../../kernels/testing/random.ts';
import { readLearnedFile, writeLearnedFile } from './learned-file.ts';
import { listStoredModels, ModelFolder } from './stored-model.ts';

describe(`learned signatures in the browser's storage (seed ${runSeed})`, () => {
  const random = new Random(runSeed);
  const bytesOf = (count: number) => new Uint8Array(random.words(Math.ceil(count / 4)).buffer, 0, count);
  let store: MemoryStore;
  let folder: ModelFolder;

  beforeEach(async () => {
    store = new MemoryStore();
    folder = await ModelFolder.of(store, 'url a');
  });

  test('are read as written, replaced by others of any length, and gone when removed', async () => {
    expect(await readLearnedFile(folder)).toBeNull();
    for (const length of [1000, 3001, 17]) {
      const bytes = bytesOf(length);
      await writeLearnedFile(folder, bytes);
      expect(await readLearnedFile(folder)).toEqual(bytes);
    }
    const used = store.usedBytes;
    await writeLearnedFile(folder, null);
    expect(await readLearnedFile(folder)).toBeNull();
    expect(store.usedBytes, 'room given free').toBeLessThan(used);
    expect(store.openFiles).toBe(0);
  });

  test('count among what is stored of the model, and are none of another model', async () => {
    await folder.describe({ id: 'url a', name: 'a', revision: null, version: null });
    await writeLearnedFile(folder, bytesOf(500));
    expect(await listStoredModels(store)).toMatchObject([{ name: 'a', storedBytes: 500, totalBytes: 500 }]);
    expect(await readLearnedFile(await ModelFolder.of(store, 'url b'))).toBeNull();
    await writeLearnedFile(folder, null);
    expect(await listStoredModels(store)).toMatchObject([{ storedBytes: 0, totalBytes: 0 }]);
  });

  test('that found no room are none, not half of them', async () => {
    store.quota = 400;
    await expect(writeLearnedFile(folder, bytesOf(500))).rejects.toThrow('no room');
    store.releaseLocks();
    expect(await readLearnedFile(folder)).toBeNull();
    expect(store.openFiles).toBe(0);
  });
});
