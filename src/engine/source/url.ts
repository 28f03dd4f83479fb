/** A model at a base URL: any static server. */
import { fileUrl } from './file-path.ts';
import { defaultNetworkPolicy, type NetworkPolicy } from './http/http-client.ts';
import type { RemoteModel } from './remote-source.ts';

export interface RemoteAccess {
  readonly fetch: typeof fetch;
  readonly accessToken: string | undefined;
  readonly network: Partial<NetworkPolicy> | undefined;
  readonly onWaiting: ((reason: string) => void) | undefined;
}

/** @param url absolute, e.g. "https://example.org/models/tiny/"; its query is sent with every file. */
export function urlModel(url: string, access: RemoteAccess): RemoteModel {
  const segments = new URL(url).pathname.split('/').filter((segment) => segment !== '');
  return {
    name: decodeURIComponent(segments.at(-1) ?? new URL(url).host),
    version: null,
    client: httpClient(access, (status) =>
      status === 401 || status === 403
        ? 'Give an access token that this server accepts, or check that the files are public.'
        : 'Check the address and the server.',
    ),
    urlOf: (path) => fileUrl(url, path),
  };
}

export function httpClient(access: RemoteAccess, advise: (status: number) => string) {
  const headers: Record<string, string> = access.accessToken
    ? { authorization: `Bearer ${access.accessToken}` }
    : {};
  const { fetch, network, onWaiting } = access;
  return { fetch, headers, policy: { ...defaultNetworkPolicy, ...network }, onWaiting, advise };
}
