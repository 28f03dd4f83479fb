/** Code that is fetched when it is first wanted, which fails as other downloads do. */
import { AppError } from '../errors.ts';

/** @param part what `import()` gave
 *  @throws AppError "download-failed": no connection, or the host has a newer page by now. */
export async function loadPart<T>(part: Promise<T>): Promise<T> {
  try {
    return await part;
  } catch (cause) {
    throw new AppError(
      'download-failed',
      `A part of the engine could not be fetched (${String(cause)}). Check the connection, then reload the page.`,
      { cause },
    );
  }
}
