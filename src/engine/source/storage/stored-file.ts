/** One file in the store, whole or in part: which bytes are there is recorded in its journal. */
import { ByteRanges } from './byte-ranges.ts';
import { type FileRecord, formatJournal, formatRanges, type Journal } from './file-record.ts';
import { type FileStore, type StoreFile, writeText } from './file-store.ts';

/** Bytes written between two journal entries: what a crash can cost. */
const commitBytes = 16 * 2 ** 20;

function dataName(path: string): string {
  return `${encodeURIComponent(path)}.data`;
}

export function journalName(path: string): string {
  return `${encodeURIComponent(path)}.journal`;
}

export class StoredFile {
  readonly #data: StoreFile;
  /** Null while the file is complete: it is then open for reading alone, so that other tabs can read it too. */
  readonly #journal: StoreFile | null;
  readonly #ranges: ByteRanges;
  readonly #uncommitted = new ByteRanges();

  private constructor(data: StoreFile, journal: StoreFile | null, ranges: ByteRanges) {
    this.#data = data;
    this.#journal = journal;
    this.#ranges = ranges;
  }

  /** Opens the file described by `record`, keeping the bytes of `previous`; none when null or when the data are
   *  missing or shorter than the journal says. Throws whatever the store throws. */
  static async open(
    store: FileStore,
    folder: string,
    record: FileRecord & { readonly kind: 'present' },
    previous: Journal | null,
  ): Promise<StoredFile> {
    const { path, size } = record;
    const ranges = previous?.ranges ?? new ByteRanges();
    const isComplete = ranges.total === size && previous !== null;
    const data = await openData(store, folder, dataName(path), isComplete ? 'read' : 'write');
    if (!data || data.byteLength() < ranges.end) {
      data?.close();
      return StoredFile.open(store, folder, record, null);
    }
    const text = formatJournal(record, ranges);
    let journal: StoreFile | null = null;
    try {
      if (isComplete) {
        if (!isSame(previous.record, record)) await writeText(store, folder, journalName(path), text);
      } else {
        journal = await store.open(folder, journalName(path), 'write');
        journal.truncate(0);
        if (ranges.total === 0) data.truncate(0);
        journal.write(new TextEncoder().encode(text), 0);
        journal.flush();
      }
      return new StoredFile(data, journal, ranges);
    } catch (error) {
      data.close();
      journal?.close();
      throw error;
    }
  }

  /** End of the stored run from `position` on; `position` itself when that byte is not stored. */
  runEnd(position: number): number {
    return this.#ranges.runEnd(position);
  }

  /** First stored byte at or after `position`; Infinity when there is none. */
  nextBegin(position: number): number {
    return this.#ranges.nextBegin(position);
  }

  /** Fills `into` with stored bytes.
   *  @throws Error when the data file is shorter than its journal says. */
  read(into: Uint8Array<ArrayBuffer>, at: number): void {
    const got = this.#data.read(into, at);
    if (got !== into.length) throw new Error(`the stored file ends at byte ${at + got}`);
  }

  write(bytes: Uint8Array<ArrayBuffer>, at: number): void {
    this.#data.write(bytes, at);
    this.#ranges.add(at, at + bytes.length);
    this.#uncommitted.add(at, at + bytes.length);
    if (this.#uncommitted.total >= commitBytes) this.commit();
  }

  /** Makes what was written last: data first, then the journal, so that the journal never promises too much. */
  commit(): void {
    if (!this.#journal || this.#uncommitted.total === 0) return;
    this.#data.flush();
    const lines = new TextEncoder().encode(formatRanges(this.#uncommitted));
    this.#journal.write(lines, this.#journal.byteLength());
    this.#journal.flush();
    this.#uncommitted.clear();
  }

  /** Forgets every stored byte: they belong to other contents than the server has now. */
  discard(): void {
    this.#ranges.clear();
    this.#uncommitted.clear();
    this.#journal?.truncate(0);
    this.#journal?.flush();
  }

  close(): void {
    try {
      this.commit();
    } finally {
      this.#journal?.close();
      this.#data.close();
    }
  }
}

/** Null when it is to be read and is not there. */
async function openData(
  store: FileStore,
  folder: string,
  name: string,
  access: 'read' | 'write',
): Promise<StoreFile | null> {
  try {
    return await store.open(folder, name, access);
  } catch (error) {
    if (access === 'read' && error instanceof Error && error.name === 'NotFoundError') return null;
    throw error;
  }
}

function isSame(a: FileRecord, b: FileRecord): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
