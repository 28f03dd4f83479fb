/** A model as a list of files: `<input type="file">`, with or without `webkitdirectory`, or drag and drop. */
import { AppError } from '../../errors.ts';
import { localSource } from './local-source.ts';
import type { ModelSource } from './model-source.ts';

/** @throws AppError "invalid-request" when two files have the same path. */
export function filesSource(files: readonly File[]): ModelSource {
  const byPath = new Map<string, File>();
  for (const file of files) {
    const path = pathInFolder(file);
    if (byPath.has(path)) {
      throw new AppError(
        'invalid-request',
        `Two of the chosen files are called ${path}. Choose the files of one model only.`,
        { details: { path } },
      );
    }
    byPath.set(path, file);
  }
  const folder = files[0]?.webkitRelativePath?.split('/')[0];
  return localSource(folder || 'local files', async (path) => byPath.get(path) ?? null);
}

/** The path below the chosen folder, whose own name comes first in `webkitRelativePath`. */
function pathInFolder(file: File): string {
  return file.webkitRelativePath?.split('/').slice(1).join('/') || file.name;
}
