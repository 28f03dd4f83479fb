/** Small text files of a model. */
import { AppError } from '../../errors.ts';
import type { ModelSource } from '../source/model-source.ts';

interface Limits {
  readonly maxBytes: number;
  readonly signal?: AbortSignal | undefined;
}

/** null when there is no such file.
 *  @throws AppError "file-malformed" when it is not UTF-8. */
export async function readText(source: ModelSource, path: string, limits: Limits): Promise<string | null> {
  const bytes = await source.readAll(path, limits);
  if (bytes === null) return null;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw malformed(path, 'not UTF-8 text', cause);
  }
}

/** Parsed; null when there is no such file.
 *  @throws AppError "file-malformed" when it is not JSON. */
export async function readJson(source: ModelSource, path: string, limits: Limits): Promise<unknown> {
  const text = await readText(source, path, limits);
  if (text === null) return null;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw malformed(path, `not JSON (${(cause as Error).message})`, cause);
  }
}

function malformed(path: string, fault: string, cause: unknown): AppError {
  return new AppError(
    'file-malformed',
    `${path}: ${fault}. Download the file again, or choose another model.`,
    {
      details: { file: path },
      cause,
    },
  );
}
