/** One model's folder in the store: a description of the model, and for each file its data and its journal. */
import { AppError } from '../../../errors.ts';
import { ByteRanges } from './byte-ranges.ts';
import { type FileRecord, formatJournal, type Journal, parseJournal } from './file-record.ts';
import { type FileStore, writeText } from './file-store.ts';
import { openOpfsStore } from './opfs-store.ts';
import { journalName, StoredFile } from './stored-file.ts';

const descriptionName = 'model.json';

export interface ModelDescription {
  /** Names the origin: kind, address and revision. Equal ids share a folder. */
  readonly id: string;
  readonly name: string;
  readonly revision: string | null;
  /** Commit of the files stored last. */
  readonly version: string | null;
}

/** A stored model as the page lists it. */
export interface StoredModel extends ModelDescription {
  readonly storedBytes: number;
  /** Bytes of all files seen so far; more than `storedBytes` when a download was interrupted. */
  readonly totalBytes: number;
}

export class ModelFolder {
  readonly #store: FileStore;
  readonly #folder: string;

  private constructor(store: FileStore, folder: string) {
    this.#store = store;
    this.#folder = folder;
  }

  static async of(store: FileStore, id: string): Promise<ModelFolder> {
    return new ModelFolder(store, await folderName(id));
  }

  description(): Promise<ModelDescription | null> {
    return readDescription(this.#store, this.#folder);
  }

  /** Writes the description unless it is there already: another tab may be at it. */
  async describe(description: ModelDescription): Promise<void> {
    const text = JSON.stringify(description);
    if ((await this.#store.readText(this.#folder, descriptionName)) === text) return;
    await writeText(this.#store, this.#folder, descriptionName, text);
  }

  async journal(path: string): Promise<Journal | null> {
    const text = await this.#store.readText(this.#folder, journalName(path));
    const journal = text === null ? null : parseJournal(text);
    return journal?.record.path === path ? journal : null;
  }

  openFile(record: FileRecord & { kind: 'present' }, previous: Journal | null): Promise<StoredFile> {
    return StoredFile.open(this.#store, this.#folder, record, previous);
  }

  async rememberMissing(record: FileRecord & { kind: 'missing' }): Promise<void> {
    const text = formatJournal(record, new ByteRanges());
    await writeText(this.#store, this.#folder, journalName(record.path), text);
  }
}

/** The models kept in the browser's storage, whole or in part; works on the page and in workers.
 *  Empty where the browser offers no storage. */
export async function listStoredModels(store?: FileStore): Promise<StoredModel[]> {
  const files = store ?? (await openOpfsStore());
  if (!files) return [];
  const models: StoredModel[] = [];
  for (const folder of await files.folders()) {
    const description = await readDescription(files, folder);
    if (!description) continue;
    let storedBytes = 0;
    let totalBytes = 0;
    for (const { name } of await files.files(folder)) {
      if (!name.endsWith('.journal')) continue;
      const journal = parseJournal((await files.readText(folder, name)) ?? '');
      if (journal?.record.kind !== 'present') continue;
      storedBytes += journal.ranges.total;
      totalBytes += journal.record.size;
    }
    models.push({ ...description, storedBytes, totalBytes });
  }
  return models;
}

/** Removes a stored model; nothing happens when it is not stored.
 *  @throws AppError "invalid-request" while an engine, here or in another tab, holds its files open. */
export async function deleteStoredModel(id: string, store?: FileStore): Promise<void> {
  const files = store ?? (await openOpfsStore());
  if (!files) return;
  try {
    await files.remove(await folderName(id));
  } catch (cause) {
    throw new AppError(
      'invalid-request',
      `The stored files of ${id} could not be removed (${String(cause)}). They may be in use: close other tabs of this page and try again.`,
      { cause },
    );
  }
}

async function readDescription(store: FileStore, folder: string): Promise<ModelDescription | null> {
  try {
    const json: unknown = JSON.parse((await store.readText(folder, descriptionName)) ?? 'null');
    const { id, name, revision, version } = (json ?? {}) as Record<string, unknown>;
    if (typeof id !== 'string' || typeof name !== 'string') return null;
    return { id, name, revision: textOrNull(revision), version: textOrNull(version) };
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

/** 32 hex digits of SHA-256: ids may be longer than a file name can be. */
async function folderName(id: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(id));
  return [...new Uint8Array(digest, 0, 16)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
