/** Model references in one form, with absolute URLs. */
import { AppError } from '../../errors.ts';
import type { ModelReference } from '../api.ts';

export type ExplicitReference = Exclude<ModelReference, string>;

const repoPattern = /^[\w-][\w.-]*\/[\w.-]*[\w-]$/;

/** Resolves the short string form, and relative URLs against `baseUrl`: a worker must be handed absolute ones,
 *  as its own address is not the page's.
 *  @throws AppError "invalid-request" for what is neither a repo id nor a URL. */
export function explicitReference(reference: ModelReference, baseUrl: string | undefined): ExplicitReference {
  if (typeof reference === 'string') {
    const isUrl = reference.includes('://') || /^[/.]/.test(reference);
    return explicitReference(
      isUrl ? { kind: 'url', url: reference } : { kind: 'hub', repo: reference },
      baseUrl,
    );
  }
  if (reference.kind === 'url') return { kind: 'url', url: webUrl(reference.url, baseUrl) };
  if (reference.kind === 'hub') {
    if (!repoPattern.test(reference.repo)) {
      throw new AppError(
        'invalid-request',
        `"${reference.repo}" is no Hugging Face repo id: expected "owner/name". For a URL, start it with https://, "/" or "./".`,
      );
    }
    return reference.endpoint === undefined
      ? reference
      : { ...reference, endpoint: webUrl(reference.endpoint, baseUrl).replace(/\/+$/, '') };
  }
  return reference;
}

function webUrl(url: string, baseUrl: string | undefined): string {
  let parsed: URL | undefined;
  try {
    parsed = new URL(url, baseUrl);
  } catch {
    // reported below
  }
  if (parsed?.protocol === 'https:' || parsed?.protocol === 'http:') return parsed.href;
  throw new AppError(
    'invalid-request',
    `"${url}" is no web address: expected https://…, http://…, or a path on this site.`,
  );
}
