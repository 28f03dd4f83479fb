/** The host that a model's files come from, as people name it. */
import type { ModelReference } from '../api.ts';
import { type ExplicitReference, explicitReference } from './reference.ts';
import { defaultEndpoint } from './storage-id.ts';

/** Null for files on this computer, and for references that loading will refuse. */
export function sourceHost(reference: ModelReference, pageUrl: string): string | null {
  let explicit: ExplicitReference;
  try {
    explicit = explicitReference(reference, pageUrl);
  } catch {
    return null;
  }
  switch (explicit.kind) {
    case 'url':
      return new URL(explicit.url).host;
    case 'hub':
      return new URL(explicit.endpoint ?? defaultEndpoint).host;
    case 'folder':
    case 'files':
      return null;
    default:
      return explicit satisfies never;
  }
}
