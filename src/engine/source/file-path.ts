/** Paths of files inside a model. They may come from a downloaded index: not to be trusted. */
import { AppError } from '../../errors.ts';

/** The path's segments.
 *  @throws AppError "file-malformed" for a path that is absolute, empty or leaves the model. */
export function pathSegments(path: string): string[] {
  const segments = path.split('/');
  const isBad = segments.some((segment) => ['', '.', '..'].includes(segment) || segment.includes('\\'));
  if (isBad) {
    throw new AppError(
      'file-malformed',
      `"${path}" is no path inside the model: expected relative names such as "model.safetensors". The checkpoint's index is damaged.`,
      { details: { path } },
    );
  }
  return segments;
}

/** The file's address under a base URL; the base's query (a signature, perhaps) is kept. */
export function fileUrl(base: string, path: string): string {
  const url = new URL(base);
  const folder = url.pathname.replace(/\/+$/, '');
  url.pathname = `${folder}/${pathSegments(path).map(encodeURIComponent).join('/')}`;
  return url.href;
}

/** @throws AppError "file-malformed" unless [begin, end) lies inside a file of `size` bytes. */
export function checkRange(path: string, begin: number, end: number, size: number): void {
  if (Number.isSafeInteger(begin) && Number.isSafeInteger(end) && 0 <= begin && begin <= end && end <= size) {
    return;
  }
  throw new AppError(
    'file-malformed',
    `${path}: bytes ${begin} to ${end} were asked for, but the file has ${size}. It is truncated, or its header does not belong to it; fetch it again.`,
    { details: { path, begin, end, size } },
  );
}

/** @throws AppError "file-malformed" when a file to be read whole is larger than `maxBytes`. */
export function checkWholeSize(path: string, size: number, maxBytes: number): void {
  if (size <= maxBytes) return;
  throw new AppError(
    'file-malformed',
    `${path} has ${size} bytes; at most ${maxBytes} are expected of such a file. It is not what its name says.`,
    { details: { path, size, maxBytes } },
  );
}

/** @throws AppError "download-failed" for a file that must be there and is not. */
export function missingFile(source: string, path: string): AppError {
  return new AppError(
    'download-failed',
    `${source} has no file ${path}. Check the name and the revision of the model.`,
    { details: { path } },
  );
}
