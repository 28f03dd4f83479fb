/** Opens the files of a model, wherever they are. */

import { AppError, throwIfAborted } from '../../errors.ts';
import type { ModelReference } from '../api.ts';
import { loadPart } from '../load-part.ts';
import type { NetworkPolicy } from './http/http-client.ts';
import type { ModelSource } from './model-source.ts';
import { explicitReference } from './reference.ts';
import { RemoteSource } from './remote-source.ts';
import type { FileStore } from './storage/file-store.ts';
import { KeptFiles } from './storage/kept-files.ts';
import { canOpenOpfsFiles, openOpfsStore } from './storage/opfs-store.ts';
import { ModelFolder } from './storage/stored-model.ts';
import { defaultEndpoint, revisionOf, storageId } from './storage-id.ts';
import { urlModel } from './url.ts';

export interface OpenSourceOptions {
  /** Hub revision; overrides the reference's own. */
  readonly revision?: string | undefined;
  /** Sent to the model host only. */
  readonly accessToken?: string | undefined;
  /** Keep downloads in the browser's storage, and find them there; true unless told. */
  readonly useStorage?: boolean | undefined;
  /** Stops the opening; reads take their own. */
  readonly signal?: AbortSignal | undefined;
  /** Told of faults that do not stop the load: storage full ("storage-full") or not usable ("feature-missing"),
   *  a stored copy that could not be checked against the server ("download-failed"). */
  readonly onWarning?: ((warning: AppError) => void) | undefined;
  /** Told why the opening, or a read later on, has to wait. */
  readonly onWaiting?: ((reason: string) => void) | undefined;
  readonly fetch?: typeof fetch | undefined;
  readonly network?: Partial<NetworkPolicy> | undefined;
  /** Where downloads are kept; the origin private file system unless told. */
  readonly store?: FileStore | undefined;
}

/** Opens a model's files for reading. Local ones are never copied.
 *  @throws AppError "invalid-request" for a reference that is none; "download-failed", "aborted". */
export async function openSource(
  reference: ModelReference,
  options: OpenSourceOptions = {},
): Promise<ModelSource> {
  throwIfAborted(options.signal);
  const explicit = explicitReference(reference, globalThis.location?.href);
  const warn = options.onWarning ?? (() => undefined);
  const access = {
    fetch: options.fetch ?? globalThis.fetch,
    accessToken: options.accessToken,
    network: options.network,
    onWaiting: options.onWaiting,
  };
  switch (explicit.kind) {
    case 'folder':
      return (await loadPart(import('./local-files.ts'))).folderSource(explicit.handle);
    case 'files':
      return (await loadPart(import('./local-files.ts'))).filesSource(explicit.files);
    case 'url': {
      const model = urlModel(explicit.url, access);
      const id = storageId(explicit)!;
      const folder = await storageFolder(id, options, warn);
      const description = { id, name: model.name, revision: null, version: null };
      return new RemoteSource(model, new KeptFiles(folder, description, warn), warn);
    }
    case 'hub': {
      const { hubModel } = await loadPart(import('./hub.ts'));
      const { repo, endpoint = defaultEndpoint } = explicit;
      const revision = revisionOf(explicit, options.revision);
      const id = storageId(explicit, revision)!;
      const folder = await storageFolder(id, options, warn);
      const stored = await folder?.description().catch(() => null);
      const hub = { repo, revision, endpoint };
      const model = await hubModel(hub, access, stored?.version ?? null, warn, options.signal);
      const description = { id, name: repo, revision, version: model.version };
      return new RemoteSource(model, new KeptFiles(folder, description, warn), warn);
    }
    default:
      return explicit satisfies never;
  }
}

async function storageFolder(
  id: string,
  options: OpenSourceOptions,
  warn: (warning: AppError) => void,
): Promise<ModelFolder | null> {
  if (options.useStorage === false) return null;
  const store = options.store ?? (canOpenOpfsFiles() ? await openOpfsStore() : null);
  if (store) return ModelFolder.of(store, id);
  warn(
    new AppError(
      'feature-missing',
      'Downloads are not kept: this browser (or window, if private) offers no file storage to workers.',
    ),
  );
  return null;
}
