/** A model on the Hugging Face hub, or on a server that speaks like it.
 *  @see https://huggingface.co/docs/hub/models-downloading */
import type { AppError } from '../../errors.ts';
import { fileUrl, missingFile } from './file-path.ts';
import { type HttpClient, requestHeaders, TransientFailure } from './http/http-client.ts';
import { Retries } from './http/retries.ts';
import { type RemoteModel, revalidationTimeoutMs, uncheckedCopy } from './remote-source.ts';
import { defaultEndpoint } from './storage-id.ts';
import { httpClient, type RemoteAccess } from './url.ts';

export interface HubReference {
  readonly repo: string;
  readonly revision: string;
  /** Without a slash at its end. */
  readonly endpoint: string;
}

/** The model, with its revision resolved to a commit once, so that all files belong together.
 *  @param storedVersion the commit of the stored copy: used when the hub cannot be reached.
 *  @throws AppError "download-failed", "aborted". */
export async function hubModel(
  reference: HubReference,
  access: RemoteAccess,
  storedVersion: string | null,
  warn: (warning: AppError) => void,
  signal: AbortSignal | undefined,
): Promise<RemoteModel> {
  const client = httpClient(access, (status) => advice(status, reference, access.accessToken !== undefined));
  const version = await resolveCommit(client, reference, storedVersion, warn, signal);
  const base = resolveUrl(reference, version ?? reference.revision);
  return { name: reference.repo, version, client, urlOf: (path) => fileUrl(base, path) };
}

function resolveUrl({ endpoint, repo }: HubReference, revision: string): string {
  return `${endpoint}/${repo}/resolve/${encodeURIComponent(revision)}`;
}

/** Null when the server names no commit: files are then told apart by their etags. */
async function resolveCommit(
  client: HttpClient,
  reference: HubReference,
  storedVersion: string | null,
  warn: (warning: AppError) => void,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  const { repo, revision } = reference;
  if (/^[0-9a-f]{40}$/.test(revision)) return revision;
  const url = fileUrl(resolveUrl(reference, revision), 'config.json');
  const idleTimeoutMs = Math.min(client.policy.idleTimeoutMs, revalidationTimeoutMs);
  const quick = { ...client, policy: { ...client.policy, idleTimeoutMs } };
  const retries = new Retries(client, url);
  for (;;) {
    try {
      const headers = await requestHeaders(storedVersion ? quick : client, url, signal);
      if (!headers) throw missingFile(`${repo} (${revision})`, 'config.json');
      const commit = headers.get('x-repo-commit');
      // A sign-in page of some network answers in the hub's place.
      const isPage = /^text\/html\b/i.test(headers.get('content-type') ?? '');
      if (commit === null && isPage) throw new TransientFailure('a web page came instead of the file');
      return commit;
    } catch (cause) {
      if (!(cause instanceof TransientFailure)) throw cause;
      if (storedVersion !== null) {
        warn(uncheckedCopy(repo, cause));
        return storedVersion;
      }
      await retries.pauseAfter(cause, null, signal);
    }
  }
}

function advice(status: number, { repo, endpoint }: HubReference, hasToken: boolean): string {
  if (status !== 401 && status !== 403) return 'Check the name and the revision of the model.';
  const token = hasToken
    ? 'check that the access token is valid and may read it'
    : `give an access token (${defaultEndpoint}/settings/tokens) as accessToken`;
  return `${repo} is gated, private, or does not exist: check the name, accept its licence at ${endpoint}/${repo}, and ${token}.`;
}
