/** The name under which a model's files are kept in the browser's storage: where they come from. */
import type { ExplicitReference } from './reference.ts';

/** Host of the Hugging Face hub. */
export const defaultEndpoint = 'https://huggingface.co';

/** Equal for references that share their files; null for local files, which are not kept.
 *  @param revision overrides the reference's own */
export function storageId(reference: ExplicitReference, revision?: string): string | null {
  switch (reference.kind) {
    case 'url':
      return `url ${reference.url}`;
    case 'hub': {
      const { endpoint = defaultEndpoint, repo } = reference;
      return `hub ${endpoint} ${repo} ${revisionOf(reference, revision)}`;
    }
    case 'folder':
    case 'files':
      return null;
    default:
      return reference satisfies never;
  }
}

/** "main" unless told. */
export function revisionOf(
  reference: Extract<ExplicitReference, { kind: 'hub' }>,
  revision?: string,
): string {
  return revision ?? reference.revision ?? 'main';
}
