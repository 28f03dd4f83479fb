/** A model of one file, held in memory. */
import { checkRange, missingFile } from './file-path.ts';
import type { ModelSource } from './model-source.ts';
import { readAll } from './read-all.ts';

export function bytesSource(name: string, file: string, bytes: Uint8Array<ArrayBuffer>): ModelSource {
  const source: ModelSource = {
    name,
    whereIs: (path) => `${path} in ${name}`,
    stat: async (path) => (path === file ? { size: bytes.length, etag: null } : null),
    readAll: (path, options) => readAll(source, path, options),
    async *readRange(path, begin, end) {
      if (path !== file) throw missingFile(name, path);
      checkRange(path, begin, end, bytes.length);
      yield bytes.subarray(begin, end);
    },
    traffic: () => ({ networkBytes: 0, storageBytes: 0 }),
    close() {},
  };
  return source;
}
