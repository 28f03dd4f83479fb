/** The host that a model's files come from, as people name it. */
import type { ModelReference } from '../../engine/index.ts';

/** Null for files on this computer, and for addresses that are none. */
export function sourceHost(reference: ModelReference, pageUrl: string): string | null {
  if (typeof reference === 'string') {
    const isUrl = reference.includes('://') || /^[/.]/.test(reference);
    return isUrl ? hostOf(reference, pageUrl) : hub;
  }
  switch (reference.kind) {
    case 'url':
      return hostOf(reference.url, pageUrl);
    case 'hub':
      return reference.endpoint === undefined ? hub : hostOf(reference.endpoint, pageUrl);
    case 'folder':
    case 'files':
      return null;
    default:
      return reference satisfies never;
  }
}

const hub = 'huggingface.co';

function hostOf(url: string, pageUrl: string): string | null {
  try {
    return new URL(url, pageUrl).host;
  } catch {
    return null;
  }
}
