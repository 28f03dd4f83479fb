/** One download of a model at a time, in whichever tab: the others wait and then find it in the browser's storage. */
import { throwIfAborted } from '../../errors.ts';
import type { EngineOptions } from '../api.ts';
import { explicitReference } from '../source/reference.ts';
import { listStoredModels, type StoredModel } from '../source/storage/stored-model.ts';
import { storageId } from '../source/storage-id.ts';

export interface TurnParts {
  /** Undefined where the browser has none: nobody then waits, nor where it refuses them, as where sites may keep nothing. */
  readonly locks?: Pick<LockManager, 'request'> | undefined;
  readonly storedModels: () => Promise<readonly StoredModel[]>;
}

const ofBrowser: TurnParts = {
  locks: globalThis.navigator?.locks,
  storedModels: () => listStoredModels(),
};

/** Runs `work`, which reads the model's files, when no other tab that does so has to download any of them. A model that is
 *  stored whole is read at once. Says by `onStatus` that it waits.
 *  @throws AppError "aborted" when `options.signal` fires meanwhile; what `work` throws. */
export async function inDownloadTurn<T>(
  options: EngineOptions,
  work: () => Promise<T>,
  { locks, storedModels }: TurnParts = ofBrowser,
): Promise<T> {
  const { model, revision, useStorage = true, signal, onStatus } = options;
  const id = storageId(explicitReference(model, globalThis.location?.href), revision);
  if (!locks || !useStorage || id === null || (await isWhole(id, storedModels))) return work();
  const name = `download ${id}`;
  let isAnswered = false;
  const done = await locks
    .request(name, { ifAvailable: true }, async (lock) => {
      isAnswered = true;
      return lock ? { value: await work() } : null;
    })
    .catch(async (error: unknown) => {
      if (isAnswered) throw error;
      return { value: await work() };
    });
  if (done) return done.value;
  onStatus?.({
    kind: 'waiting',
    reason: 'Another tab is downloading this model. Loading goes on here as soon as it is done.',
  });
  try {
    return await locks.request(name, signal ? { signal } : {}, () => {
      onStatus?.({ kind: 'waiting', reason: null });
      return work();
    });
  } catch (error) {
    throwIfAborted(signal);
    throw error;
  }
}

/** As far as files of the model have been seen. Storage that cannot be read holds nothing. */
async function isWhole(id: string, storedModels: TurnParts['storedModels']): Promise<boolean> {
  const stored = (await storedModels().catch(() => [])).find((model) => model.id === id);
  return stored !== undefined && stored.storedBytes === stored.totalBytes;
}
