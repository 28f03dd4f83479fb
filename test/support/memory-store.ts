/** A file store in memory with OPFS's rules (locks, quota) and, on request, its faults. */
import type { FileStore, StoreFile } from '../../src/engine/source/storage/file-store.ts';

interface Entry {
  bytes: Uint8Array<ArrayBuffer>;
  length: number;
  writers: number;
  readers: number;
}

export class MemoryStore implements FileStore {
  readonly #folders = new Map<string, Map<string, Entry>>();
  /** Bytes all files together may have. */
  quota = Number.POSITIVE_INFINITY;
  /** Every read fails, as on a failing disk. */
  failReads = false;

  async folders(): Promise<string[]> {
    return [...this.#folders.keys()];
  }

  async files(folder: string): Promise<{ name: string; byteLength: number }[]> {
    return [...(this.#folders.get(folder) ?? [])].map(([name, { length }]) => ({ name, byteLength: length }));
  }

  async readText(folder: string, name: string): Promise<string | null> {
    const entry = this.#folders.get(folder)?.get(name);
    return entry ? new TextDecoder().decode(entry.bytes.subarray(0, entry.length)) : null;
  }

  async open(folder: string, name: string, access: 'read' | 'write'): Promise<StoreFile> {
    let entry = this.#folders.get(folder)?.get(name);
    if (!entry) {
      if (access === 'read') throw new DOMException(`${name} is not there`, 'NotFoundError');
      entry = { bytes: new Uint8Array(64), length: 0, writers: 0, readers: 0 };
      const files = this.#folders.get(folder) ?? new Map<string, Entry>();
      this.#folders.set(folder, files.set(name, entry));
    }
    if (entry.writers > 0 || (access === 'write' && entry.readers > 0)) {
      throw new DOMException(`${name} is open elsewhere`, 'NoModificationAllowedError');
    }
    const file = this.#openEntry(entry, access);
    // Others get their turn while the lock is held, as in a browser.
    await new Promise((resolve) => setTimeout(resolve, 2));
    return file;
  }

  async remove(folder: string): Promise<void> {
    for (const entry of this.#folders.get(folder)?.values() ?? []) {
      if (entry.writers + entry.readers > 0) {
        throw new DOMException('a file is open', 'NoModificationAllowedError');
      }
    }
    this.#folders.delete(folder);
  }

  /** Files held open by anyone. */
  get openFiles(): number {
    return this.#entries().reduce((sum, [, entry]) => sum + entry.writers + entry.readers, 0);
  }

  /** Drops the locks of a page that has gone, as a browser does. */
  releaseLocks(): void {
    for (const [, entry] of this.#entries()) {
      entry.writers = 0;
      entry.readers = 0;
    }
  }

  get usedBytes(): number {
    return this.#entries().reduce((sum, [, entry]) => sum + entry.length, 0);
  }

  /** Bytes of the file whose name begins so, to look at or to damage. */
  edit(namePrefix: string, change: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>): void {
    const found = this.#entries().find(([name]) => name.startsWith(namePrefix));
    if (!found) throw new Error(`no file ${namePrefix}*`);
    const [, entry] = found;
    entry.bytes = change(entry.bytes.slice(0, entry.length));
    entry.length = entry.bytes.length;
  }

  #entries(): [string, Entry][] {
    return [...this.#folders.values()].flatMap((files) => [...files]);
  }

  #openEntry(entry: Entry, access: 'read' | 'write'): StoreFile {
    const kind = access === 'write' ? 'writers' : 'readers';
    entry[kind]++;
    const mayWrite = (): void => {
      if (access === 'read') throw new DOMException('opened for reading', 'NoModificationAllowedError');
    };
    return {
      byteLength: () => entry.length,
      read: (into, at) => {
        if (this.failReads) throw new DOMException('input/output error', 'InvalidStateError');
        const part = entry.bytes.subarray(
          Math.min(at, entry.length),
          Math.min(at + into.length, entry.length),
        );
        into.set(part);
        return part.length;
      },
      write: (bytes, at) => {
        mayWrite();
        const length = Math.max(entry.length, at + bytes.length);
        if (this.usedBytes - entry.length + length > this.quota) {
          throw new DOMException('no room', 'QuotaExceededError');
        }
        if (length > entry.bytes.length) {
          const grown = new Uint8Array(2 * length);
          grown.set(entry.bytes.subarray(0, entry.length));
          entry.bytes = grown;
        }
        entry.bytes.set(bytes, at);
        entry.length = length;
      },
      truncate: (byteLength) => {
        mayWrite();
        entry.bytes.fill(0, byteLength);
        entry.length = byteLength;
      },
      flush: () => undefined,
      close: () => {
        entry[kind] = Math.max(0, entry[kind] - 1);
      },
    };
  }
}
