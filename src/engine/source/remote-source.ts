/** A model on a server, read through the browser's storage: stored bytes come from there, the rest is downloaded
 *  and kept on its way through. */
import { AppError, throwIfAborted } from '../../errors.ts';
import { checkRange, missingFile } from './file-path.ts';
import { ContentsChanged, download, type Probe, probe, probeOnce } from './http/download.ts';
import { type HttpClient, shownUrl, TransientFailure } from './http/http-client.ts';
import type { FileStat, ModelSource, Traffic } from './model-source.ts';
import { readAll } from './read-all.ts';
import type { Journal } from './storage/file-record.ts';
import { type KeptFiles, storedChunkBytes } from './storage/kept-files.ts';
import type { ModelFolder } from './storage/stored-model.ts';

export interface RemoteModel {
  readonly name: string;
  /** The commit all files are read at, when the server names one: they can then not change. */
  readonly version: string | null;
  readonly client: HttpClient;
  urlOf(path: string): string;
}

interface RemoteFile {
  readonly stat: FileStat;
  /** The first bytes, as far as they came with the size and were not stored before. */
  readonly head: Uint8Array<ArrayBuffer>;
}

const noBytes = new Uint8Array(0);

/** How long a check whether stored files are still the server's may take before they are used as they are. */
export const revalidationTimeoutMs = 5000;

export class RemoteSource implements ModelSource {
  readonly name: string;
  readonly folder: ModelFolder | null;
  readonly #model: RemoteModel;
  readonly #kept: KeptFiles;
  readonly #warn: (warning: AppError) => void;
  readonly #files = new Map<string, Promise<RemoteFile | null>>();
  /** Of files without a commit: whether stored ones may be used unchecked when the server cannot be asked. Not once
   *  one was found changed; and once one was used so, all stored ones are, so that they belong together. */
  #contents: 'undecided' | 'checked' | 'unchecked' = 'undecided';
  #networkBytes = 0;
  #storageBytes = 0;

  constructor(model: RemoteModel, kept: KeptFiles, warn: (warning: AppError) => void) {
    this.name = model.name;
    this.folder = kept.folder;
    this.#model = model;
    this.#kept = kept;
    this.#warn = warn;
  }

  whereIs(path: string): string {
    return shownUrl(this.#model.urlOf(path));
  }

  async stat(path: string, options: { signal?: AbortSignal | undefined } = {}): Promise<FileStat | null> {
    return (await this.#file(path, options.signal))?.stat ?? null;
  }

  readAll(path: string, options: { maxBytes: number; signal?: AbortSignal | undefined }) {
    return readAll(this, path, options);
  }

  async *readRange(
    path: string,
    begin: number,
    end: number,
    options: { signal?: AbortSignal | undefined } = {},
  ): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const { signal } = options;
    const file = await this.#file(path, signal);
    if (!file) throw missingFile(this.name, path);
    checkRange(path, begin, end, file.stat.size);
    let buffer: Uint8Array<ArrayBuffer> | undefined;
    let position = begin;
    try {
      while (position < end) {
        throwIfAborted(signal);
        const stored = Math.min(end, position + storedChunkBytes, this.#kept.runEnd(path, position));
        if (position < file.head.length) {
          const chunk = file.head.slice(position, end);
          this.#networkBytes += chunk.length;
          position += chunk.length;
          yield chunk;
        } else if (stored > position) {
          buffer ??= new Uint8Array(Math.min(storedChunkBytes, end - begin));
          const chunk = buffer.subarray(0, stored - position);
          if (!this.#kept.read(path, chunk, position)) continue;
          this.#storageBytes += chunk.length;
          position = stored;
          yield chunk;
        } else {
          const gapEnd = Math.min(end, this.#kept.nextBegin(path, position));
          for await (const chunk of this.#download(path, position, gapEnd, file.stat, signal)) {
            this.#kept.write(path, chunk, position);
            position += chunk.length;
            yield chunk;
          }
        }
      }
    } finally {
      this.#kept.commit(path);
    }
  }

  traffic(): Traffic {
    return { networkBytes: this.#networkBytes, storageBytes: this.#storageBytes };
  }

  close(): void {
    this.#kept.close();
    this.#files.clear();
  }

  async *#download(
    path: string,
    begin: number,
    end: number,
    stat: FileStat,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const { client, version } = this.#model;
    // The servers behind one commit may each have their own etag for it.
    const expected = version === null ? stat : { size: stat.size, etag: null };
    try {
      for await (const chunk of download(client, this.#model.urlOf(path), begin, end, expected, signal)) {
        this.#networkBytes += chunk.length;
        yield chunk;
      }
    } catch (error) {
      if (error instanceof AppError && error.cause instanceof ContentsChanged) {
        this.#kept.discard(path);
        this.#files.delete(path);
      }
      throw error;
    }
  }

  #file(path: string, signal: AbortSignal | undefined): Promise<RemoteFile | null> {
    const known = this.#files.get(path);
    if (known) return known;
    const file = this.#open(path, signal);
    this.#files.set(path, file);
    file.catch(() => this.#files.delete(path));
    return file;
  }

  async #open(path: string, signal: AbortSignal | undefined): Promise<RemoteFile | null> {
    const { version } = this.#model;
    this.#model.urlOf(path); // refuses a bad path before anything is opened
    const journal = await this.#kept.journal(path);
    const isPinned = version !== null && journal?.record.version === version;
    if (journal && (isPinned || this.#contents === 'unchecked')) return this.#openStored(path, journal);
    const found = await this.#probe(path, journal, signal);
    if (found === 'unreachable') {
      this.#contents = 'unchecked';
      return this.#openStored(path, journal!);
    }
    if (!found) {
      if (journal?.record.kind === 'present') this.#contents = 'checked';
      await this.#kept.keepMissing(path, version);
      return null;
    }
    const isSame = describesSame(journal, found.stat);
    if (journal && !isSame) this.#contents = 'checked';
    await this.#kept.keep(path, { ...found.stat, version }, isSame ? journal : null);
    const isHeadStored = this.#kept.runEnd(path, 0) >= found.head.length;
    if (!isHeadStored) this.#kept.write(path, found.head, 0);
    this.#kept.commit(path);
    return { stat: found.stat, head: isHeadStored ? noBytes : found.head };
  }

  async #openStored(path: string, journal: Journal): Promise<RemoteFile | null> {
    const { record } = journal;
    if (record.kind === 'missing') return null;
    const { size, etag } = record;
    await this.#kept.keep(path, { size, etag, version: record.version }, journal);
    return { stat: { size, etag }, head: noBytes };
  }

  /** Asks the server; 'unreachable' when it cannot be asked and the stored copy may be used unchecked. */
  async #probe(
    path: string,
    journal: Journal | null,
    signal: AbortSignal | undefined,
  ): Promise<Probe | null | 'unreachable'> {
    const { client, version } = this.#model;
    const mayTrust = journal && version === null && this.#contents === 'undecided';
    if (!mayTrust) return probe(client, this.#model.urlOf(path), signal);
    const policy = {
      ...client.policy,
      idleTimeoutMs: Math.min(client.policy.idleTimeoutMs, revalidationTimeoutMs),
    };
    try {
      return await probeOnce({ ...client, policy }, this.#model.urlOf(path), signal);
    } catch (cause) {
      if (!(cause instanceof TransientFailure)) throw cause;
      this.#warn(uncheckedCopy(this.name, cause));
      return 'unreachable';
    }
  }
}

function describesSame(journal: Journal | null, stat: FileStat): boolean {
  if (journal?.record.kind !== 'present') return false;
  const { size, etag } = journal.record;
  return size === stat.size && etag !== null && etag === stat.etag;
}

/** The warning that a stored copy is used without asking the server. */
export function uncheckedCopy(name: string, cause: TransientFailure): AppError {
  return new AppError(
    'download-failed',
    `${name}: the server could not be asked for newer files (${cause.message}); the stored copy is used.`,
    { cause },
  );
}
