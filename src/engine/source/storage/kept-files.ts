/** A remote model's files in the store, as far as the store goes along: no fault of it ever stops a download. */
import { AppError } from '../../../errors.ts';
import type { FileIdentity, Journal } from './file-record.ts';
import type { StoredFile } from './stored-file.ts';
import type { ModelDescription, ModelFolder } from './stored-model.ts';

/** Bytes read from the store at a time, into one buffer per reader. */
export const storedChunkBytes = 2 ** 20;

export class KeptFiles {
  readonly folder: ModelFolder | null;
  readonly #description: ModelDescription;
  readonly #warn: (warning: AppError) => void;
  readonly #open = new Map<string, StoredFile>();
  #described: Promise<void> | undefined;
  #isFull = false;
  #isHeld = false;
  #isNameless = false;

  constructor(folder: ModelFolder | null, description: ModelDescription, warn: (warning: AppError) => void) {
    this.folder = folder;
    this.#description = description;
    this.#warn = warn;
  }

  /** What the store knows about a file; null when nothing. */
  async journal(path: string): Promise<Journal | null> {
    return this.#attempt(path, () => this.folder?.journal(path) ?? null);
  }

  /** Prepares to keep the file, with the bytes of `previous` unless null. */
  async keep(path: string, identity: FileIdentity, previous: Journal | null): Promise<void> {
    const folder = this.folder;
    if (!folder || (this.#isFull && !previous)) return;
    // A changed file of the same size could otherwise not be told from the stored one.
    if (identity.version === null && identity.etag === null) return this.#reportNameless();
    this.#release(path);
    const file = await this.#attempt(path, async () => {
      await this.#describe(folder);
      return folder.openFile({ kind: 'present', path, ...identity }, previous);
    });
    if (file) this.#open.set(path, file);
  }

  async keepMissing(path: string, version: string | null): Promise<void> {
    const folder = this.folder;
    if (!folder || this.#isFull) return;
    await this.#attempt(path, async () => {
      await this.#describe(folder);
      await folder.rememberMissing({ kind: 'missing', path, version });
      return null;
    });
  }

  /** End of the stored run from `position` on; `position` itself when that byte must come from elsewhere. */
  runEnd(path: string, position: number): number {
    return this.#open.get(path)?.runEnd(position) ?? position;
  }

  nextBegin(path: string, position: number): number {
    return this.#open.get(path)?.nextBegin(position) ?? Number.POSITIVE_INFINITY;
  }

  /** Fills `into`; false, and the file is given up for now, when the store fails. */
  read(path: string, into: Uint8Array<ArrayBuffer>, at: number): boolean {
    return this.#use(path, (file) => file.read(into, at));
  }

  write(path: string, bytes: Uint8Array<ArrayBuffer>, at: number): void {
    if (!this.#isFull) this.#use(path, (file) => file.write(bytes, at));
  }

  commit(path: string): void {
    this.#use(path, (file) => file.commit());
  }

  /** Forgets the file's bytes: they belong to other contents than the server has now. */
  discard(path: string): void {
    this.#use(path, (file) => file.discard());
    this.#release(path);
  }

  close(): void {
    for (const path of [...this.#open.keys()]) this.#release(path);
  }

  /** Written with the first file, so that a model nothing is kept of is not listed. */
  #describe(folder: ModelFolder): Promise<void> {
    this.#described ??= folder.describe(this.#description).catch((error: unknown) => {
      this.#described = undefined;
      throw error;
    });
    return this.#described;
  }

  async #attempt<T>(path: string, action: () => Promise<T | null> | null): Promise<T | null> {
    try {
      return await action();
    } catch (cause) {
      this.#report(path, cause);
      return null;
    }
  }

  #use(path: string, action: (file: StoredFile) => void): boolean {
    const file = this.#open.get(path);
    if (!file) return false;
    try {
      action(file);
      return true;
    } catch (cause) {
      this.#report(path, cause);
      // A full store can still be read; after any other fault the file is better left alone.
      if (!isQuotaError(cause)) this.#release(path);
      return false;
    }
  }

  #release(path: string): void {
    const file = this.#open.get(path);
    this.#open.delete(path);
    try {
      file?.close();
    } catch (cause) {
      this.#report(path, cause);
    }
  }

  #reportNameless(): void {
    if (this.#isNameless) return;
    this.#isNameless = true;
    this.#warn(
      new AppError(
        'feature-missing',
        `${this.#description.name} is not kept in the browser's storage: its server names neither commit, ETag nor Last-Modified (or hides them from this page: Access-Control-Expose-Headers), so changes could not be noticed.`,
      ),
    );
  }

  /** A store that is full, and one that another tab holds, are said once; every file would meet them. */
  #report(path: string, cause: unknown): void {
    const isFull = isQuotaError(cause);
    const isHeld = cause instanceof Error && cause.name === 'NoModificationAllowedError';
    if ((isFull && this.#isFull) || (isHeld && this.#isHeld)) return;
    this.#isFull ||= isFull;
    this.#isHeld ||= isHeld;
    const { name } = this.#description;
    const reason = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
    const options = { details: { path, reason }, cause };
    this.#warn(
      isFull
        ? new AppError(
            'storage-full',
            `The browser's storage has no room for ${path} of ${name}. Loading goes on, but what does not fit will be downloaded again next time: remove stored models or free disk space.`,
            options,
          )
        : new AppError(
            'feature-missing',
            isHeld
              ? `${name} is being loaded in another tab, too. The files that it holds come from the network here, and are kept there.`
              : `${path} of ${name} cannot be kept in the browser's storage now (${reason}). Loading goes on from the network.`,
            options,
          ),
    );
  }
}

function isQuotaError(cause: unknown): boolean {
  return cause instanceof Error && cause.name === 'QuotaExceededError';
}
