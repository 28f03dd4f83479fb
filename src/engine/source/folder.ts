/** A model in a folder the user chose (`showDirectoryPicker`). */
import { AppError } from '../../errors.ts';
import { pathSegments } from './file-path.ts';
import { localSource } from './local-source.ts';
import type { ModelSource } from './model-source.ts';

export function folderSource(handle: FileSystemDirectoryHandle): ModelSource {
  return localSource(handle.name, (path) => findFile(handle, path));
}

async function findFile(folder: FileSystemDirectoryHandle, path: string): Promise<File | null> {
  const segments = pathSegments(path);
  const name = segments.pop()!;
  try {
    let directory = folder;
    for (const segment of segments) directory = await directory.getDirectoryHandle(segment);
    return await (await directory.getFileHandle(name)).getFile();
  } catch (cause) {
    const kind = cause instanceof Error ? cause.name : '';
    if (kind === 'NotFoundError' || kind === 'TypeMismatchError') return null;
    throw new AppError(
      'invalid-request',
      `${path} in the folder "${folder.name}" may not be read (${String(cause)}). Choose the folder again and allow reading.`,
      { details: { path }, cause },
    );
  }
}
