/** The licence a model card states in its front matter. */
import { AppError, throwIfAborted } from '../../errors.ts';
import type { ModelSource } from '../source/model-source.ts';
import { readText } from './read-small.ts';

/** null when there is no card or it states none. A card that cannot be read must not keep a model from loading. */
export async function readLicence(
  source: ModelSource,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  try {
    const card = await readText(source, 'README.md', { maxBytes: 2 ** 20, signal });
    return card === null ? null : licenceIn(card);
  } catch (error) {
    throwIfAborted(signal);
    if (error instanceof AppError) return null;
    throw error;
  }
}

/** `license_name` says more than `license: other`. */
export function licenceIn(card: string): string | null {
  const frontMatter = /^\uFEFF?---\r?\n([\s\S]*?)\r?\n---/.exec(card)?.[1];
  if (frontMatter === undefined) return null;
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}:[ \\t]*(['"]?)([^\\r\\n]*?)\\1[ \\t]*$`, 'm').exec(frontMatter)?.[2]?.trim();
  const licence = field('license');
  if (!licence) return null;
  return licence === 'other' ? (field('license_name') ?? licence) : licence;
}
