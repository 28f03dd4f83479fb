/** Model files in the origin private file system.
 *
 *  OPFS rather than the Cache API: a file can be written at any offset, so an interrupted download goes on where
 *  it stopped; ranges are read at disk speed into a buffer of ours; a short file shows in its size. The Cache API
 *  stores whole answers only, and was seen to store silently shortened ones. Sync access handles exist in dedicated
 *  workers alone: elsewhere this store can list and remove, not open. */
import type { FileStore, StoreFile } from './file-store.ts';

const rootName = 'models';

/** The browser's store; null where there is no OPFS (Node, private windows, plain http). */
export async function openOpfsStore(): Promise<FileStore | null> {
  try {
    const root = await globalThis.navigator?.storage?.getDirectory?.();
    return root ? new OpfsStore(await root.getDirectoryHandle(rootName, { create: true })) : null;
  } catch {
    return null;
  }
}

/** Whether files can be opened here, not only listed. */
export function canOpenOpfsFiles(): boolean {
  return (
    typeof FileSystemFileHandle !== 'undefined' && 'createSyncAccessHandle' in FileSystemFileHandle.prototype
  );
}

class OpfsStore implements FileStore {
  readonly #root: FileSystemDirectoryHandle;

  constructor(root: FileSystemDirectoryHandle) {
    this.#root = root;
  }

  async folders(): Promise<string[]> {
    const names: string[] = [];
    for await (const [name, handle] of this.#root.entries())
      if (handle.kind === 'directory') names.push(name);
    return names;
  }

  async files(folder: string): Promise<{ name: string; byteLength: number }[]> {
    const directory = await foundOrNull(this.#root.getDirectoryHandle(folder));
    const files: { name: string; byteLength: number }[] = [];
    if (!directory) return files;
    for await (const [name, handle] of directory.entries()) {
      if (handle.kind === 'file') {
        const file = await (handle as FileSystemFileHandle).getFile();
        files.push({ name, byteLength: file.size });
      }
    }
    return files;
  }

  async readText(folder: string, name: string): Promise<string | null> {
    const directory = await foundOrNull(this.#root.getDirectoryHandle(folder));
    const handle = directory && (await foundOrNull(directory.getFileHandle(name)));
    return handle ? (await handle.getFile()).text() : null;
  }

  async open(folder: string, name: string, access: 'read' | 'write'): Promise<StoreFile> {
    const create = access === 'write';
    const directory = await this.#root.getDirectoryHandle(folder, { create });
    const handle = (await directory.getFileHandle(name, { create })) as LockableFileHandle;
    // Browsers that know no modes take the only one they have: exclusive.
    const mode = access === 'write' ? 'readwrite' : 'read-only';
    return new OpfsFile(await handle.createSyncAccessHandle({ mode }));
  }

  async remove(folder: string): Promise<void> {
    await foundOrNull(this.#root.removeEntry(folder, { recursive: true }));
  }
}

/** TypeScript's library does not know the modes yet. @see https://fs.spec.whatwg.org/#enumdef-filesystemsyncaccesshandlemode */
interface LockableFileHandle extends FileSystemFileHandle {
  createSyncAccessHandle(options?: {
    readonly mode: 'read-only' | 'readwrite';
  }): Promise<FileSystemSyncAccessHandle>;
}

class OpfsFile implements StoreFile {
  readonly #handle: FileSystemSyncAccessHandle;

  constructor(handle: FileSystemSyncAccessHandle) {
    this.#handle = handle;
  }

  byteLength(): number {
    return this.#handle.getSize();
  }

  read(into: Uint8Array<ArrayBuffer>, at: number): number {
    return this.#handle.read(into, { at });
  }

  write(bytes: Uint8Array<ArrayBuffer>, at: number): void {
    const written = this.#handle.write(bytes, { at });
    if (written < bytes.length) {
      throw new DOMException(`wrote ${written} of ${bytes.length} bytes`, 'QuotaExceededError');
    }
  }

  truncate(byteLength: number): void {
    this.#handle.truncate(byteLength);
  }

  flush(): void {
    this.#handle.flush();
  }

  close(): void {
    this.#handle.close();
  }
}

async function foundOrNull<T>(pending: Promise<T>): Promise<T | null> {
  try {
    return await pending;
  } catch (error) {
    if (error instanceof DOMException && error.name === 'NotFoundError') return null;
    throw error;
  }
}
