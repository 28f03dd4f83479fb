/** The signature maps learned for a model, among its files in the browser's storage. */
import type { ModelFolder } from './stored-model.ts';

/** No file of a model has this name. */
const path = 'learned:hash_attention.safetensors';

/** Null when none were kept, or not to their end. Throws whatever the store throws. */
export async function readLearnedFile(folder: ModelFolder): Promise<Uint8Array<ArrayBuffer> | null> {
  const journal = await folder.journal(path);
  if (journal?.record.kind !== 'present' || journal.ranges.total < journal.record.size) return null;
  const file = await folder.openFile(journal.record, journal);
  try {
    const bytes = new Uint8Array(journal.record.size);
    file.read(bytes, 0);
    return bytes;
  } finally {
    file.close();
  }
}

/** Replaces them; null removes them. Throws whatever the store throws, "QuotaExceededError" among it. */
export async function writeLearnedFile(
  folder: ModelFolder,
  bytes: Uint8Array<ArrayBuffer> | null,
): Promise<void> {
  const identity = { size: bytes?.length ?? 0, etag: null, version: null };
  const file = await folder.openFile({ kind: 'present', path, ...identity }, null);
  try {
    if (bytes) file.write(bytes, 0);
  } finally {
    file.close();
  }
  if (!bytes) await folder.rememberMissing({ kind: 'missing', path, version: null });
}
