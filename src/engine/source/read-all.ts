/** A small file whole, on top of `stat` and `readRange`. */

import { checkWholeSize } from './file-path.ts';
import type { ModelSource } from './model-source.ts';

/** `ModelSource.readAll` for any source. */
export async function readAll(
  source: Pick<ModelSource, 'stat' | 'readRange'>,
  path: string,
  options: { readonly maxBytes: number; readonly signal?: AbortSignal | undefined },
): Promise<Uint8Array<ArrayBuffer> | null> {
  const stat = await source.stat(path, options);
  if (!stat) return null;
  checkWholeSize(path, stat.size, options.maxBytes);
  const whole = new Uint8Array(stat.size);
  let position = 0;
  for await (const chunk of source.readRange(path, 0, stat.size, options)) {
    whole.set(chunk, position);
    position += chunk.length;
  }
  return whole;
}
