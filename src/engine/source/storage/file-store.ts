/** The few file operations that keeping models needs. In the browser: `opfs-store.ts`. */

/** An open file. Synchronous, as OPFS's sync access handles are: no buffer is handed over, nothing is queued. */
export interface StoreFile {
  byteLength(): number;
  /** Fills `into` from byte `at`; returns the bytes read, fewer at the end of the file. */
  read(into: Uint8Array<ArrayBuffer>, at: number): number;
  /** Writes all of `bytes` at byte `at`, filling any hole before it.
   *  @throws an error named "QuotaExceededError" when there is no room. */
  write(bytes: Uint8Array<ArrayBuffer>, at: number): void;
  truncate(byteLength: number): void;
  /** Returns once what was written survives a crash. */
  flush(): void;
  close(): void;
}

/** Folders of files, one folder per model, no nesting. Names hold no "/". */
export interface FileStore {
  folders(): Promise<string[]>;
  files(folder: string): Promise<{ readonly name: string; readonly byteLength: number }[]>;
  /** A small file as text; null when there is none. Needs no lock, so it works while the file is open elsewhere. */
  readText(folder: string, name: string): Promise<string | null>;
  /** Opens a file, creating it (and its folder) for 'write'. One writer, or many readers, at a time.
   *  @throws any error when it is open elsewhere; an error named "NotFoundError" when absent for 'read'. */
  open(folder: string, name: string, access: 'read' | 'write'): Promise<StoreFile>;
  /** Removes a folder with all its files; nothing happens when there is none. */
  remove(folder: string): Promise<void>;
}

/** Replaces a small text file. */
export async function writeText(store: FileStore, folder: string, name: string, text: string): Promise<void> {
  const file = await store.open(folder, name, 'write');
  try {
    file.truncate(0);
    file.write(new TextEncoder().encode(text), 0);
    file.flush();
  } finally {
    file.close();
  }
}
