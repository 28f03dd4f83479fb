/** Files on the user's disk: read in slices, never copied. */
import { AppError, throwIfAborted } from '../../errors.ts';
import { checkRange, missingFile } from './file-path.ts';
import type { FileStat, ModelSource, Traffic } from './model-source.ts';
import { readAll } from './read-all.ts';

/** @param find the file at a path, or null. */
export function localSource(name: string, find: (path: string) => Promise<File | null>): ModelSource {
  return new LocalSource(name, find);
}

class LocalSource implements ModelSource {
  readonly name: string;
  readonly #find: (path: string) => Promise<File | null>;
  readonly #files = new Map<string, Promise<File | null>>();
  #storageBytes = 0;

  constructor(name: string, find: (path: string) => Promise<File | null>) {
    this.name = name;
    this.#find = find;
  }

  whereIs(path: string): string {
    return `${path} in ${this.name}`;
  }

  async stat(path: string): Promise<FileStat | null> {
    const file = await this.#file(path);
    return file && { size: file.size, etag: null };
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
    throwIfAborted(options.signal);
    const file = await this.#file(path);
    if (!file) throw missingFile(this.name, path);
    checkRange(path, begin, end, file.size);
    const reader = file.slice(begin, end).stream().getReader();
    let position = begin;
    try {
      for (;;) {
        const chunk = await readChunk(reader, path);
        throwIfAborted(options.signal);
        if (!chunk) break;
        position += chunk.length;
        this.#storageBytes += chunk.length;
        yield chunk;
      }
    } finally {
      await reader.cancel().catch(() => undefined);
    }
    if (position !== end) throw unreadable(path, `it ended at byte ${position} of ${end}`);
  }

  traffic(): Traffic {
    return { networkBytes: 0, storageBytes: this.#storageBytes };
  }

  close(): void {
    this.#files.clear();
  }

  #file(path: string): Promise<File | null> {
    const known = this.#files.get(path);
    if (known) return known;
    const file = this.#find(path);
    this.#files.set(path, file);
    file.catch(() => this.#files.delete(path));
    return file;
  }
}

async function readChunk(
  reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>,
  path: string,
): Promise<Uint8Array<ArrayBuffer> | null> {
  try {
    const { done, value } = await reader.read();
    return done ? null : value;
  } catch (cause) {
    throw unreadable(path, String(cause), cause);
  }
}

function unreadable(path: string, reason: string, cause?: unknown): AppError {
  return new AppError(
    'file-malformed',
    `${path} could not be read (${reason}). It was probably changed or removed since it was chosen: choose it again.`,
    { details: { path }, cause },
  );
}
