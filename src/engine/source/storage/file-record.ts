/** What is known about one stored file: a journal beside the data.
 *
 *  First line: JSON of `FileRecord`. Then one line "begin end" per byte range that is safely in the data file,
 *  appended after the data were flushed. A torn last line, as a crash leaves it, is ignored. */
import { ByteRanges } from './byte-ranges.ts';

export interface FileIdentity {
  readonly size: number;
  readonly etag: string | null;
  /** The commit the file was read at; null where the server names none. */
  readonly version: string | null;
}

export type FileRecord =
  | ({ readonly kind: 'present'; readonly path: string } & FileIdentity)
  /** The server said there is no such file: remembered, so that a stored model loads without network. */
  | { readonly kind: 'missing'; readonly path: string; readonly version: string | null };

export interface Journal {
  readonly record: FileRecord;
  readonly ranges: ByteRanges;
}

/** Null when the text is not a journal of ours: the file is then fetched again. */
export function parseJournal(text: string): Journal | null {
  const lines = text.split('\n');
  lines.pop(); // what follows the last line end: empty, or torn
  const record = parseRecord(lines.shift() ?? '');
  if (!record) return null;
  const ranges = new ByteRanges();
  const size = record.kind === 'present' ? record.size : 0;
  for (const line of lines) {
    const numbers = /^(\d+) (\d+)$/.exec(line);
    if (!numbers || Number(numbers[2]) > size) return null;
    ranges.add(Number(numbers[1]), Number(numbers[2]));
  }
  return { record, ranges };
}

export function formatJournal(record: FileRecord, ranges: ByteRanges): string {
  return `${JSON.stringify(record)}\n${formatRanges(ranges)}`;
}

export function formatRanges(ranges: ByteRanges): string {
  return [...ranges].map(([begin, end]) => `${begin} ${end}\n`).join('');
}

function parseRecord(line: string): FileRecord | null {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    return null;
  }
  const { kind, path, size, etag, version } = (json ?? {}) as Record<string, unknown>;
  if (typeof path !== 'string' || !isTextOrNull(version)) return null;
  if (kind === 'missing') return { kind, path, version };
  if (kind !== 'present' || !Number.isSafeInteger(size) || !isTextOrNull(etag)) return null;
  return { kind, path, size: size as number, etag, version };
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === 'string';
}
