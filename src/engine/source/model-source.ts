/** Where a model's files are read from: the hub, a URL, a folder or a list of files, all behind one interface. */

import type { ModelFolder } from './storage/stored-model.ts';

export interface FileStat {
  /** Bytes of the whole file. */
  readonly size: number;
  /** The server's name for this content; null when it gives none, and for local files. */
  readonly etag: string | null;
}

/** Bytes handed to readers so far, by where they came from. */
export interface Traffic {
  readonly networkBytes: number;
  /** From the browser's storage, or from a local disk. */
  readonly storageBytes: number;
}

/** Read access to one model. Paths are relative, with "/", e.g. "model-00001-of-00003.safetensors".
 *
 *  Every method throws AppError "download-failed" (unreachable, refused, incomplete; names URL and bytes),
 *  "file-malformed" (a range outside the file, a path that leaves the model) or "aborted". */
export interface ModelSource {
  /** Human name: repo id, last URL segment or folder name. */
  readonly name: string;
  /** A file as messages name it: by its address, or by its path and the folder's name. */
  whereIs(path: string): string;
  /** Where the browser keeps its files; none for local ones, and where nothing is kept. */
  readonly folder?: ModelFolder | null;
  /** Size and identity of a file; null when there is no such file. Asked once per path, then remembered. */
  stat(path: string, options?: { readonly signal?: AbortSignal | undefined }): Promise<FileStat | null>;
  /** A small file whole; null when there is no such file.
   *  @throws AppError "file-malformed" when it is larger than `maxBytes`. */
  readAll(
    path: string,
    options: { readonly maxBytes: number; readonly signal?: AbortSignal | undefined },
  ): Promise<Uint8Array<ArrayBuffer> | null>;
  /** The bytes [begin, end) in order, in chunks of any size up to a few MiB; either all of them or an error.
   *  A chunk is valid only until the next one is asked for. Each call may cost a request: ask for long ranges. */
  readRange(
    path: string,
    begin: number,
    end: number,
    options?: { readonly signal?: AbortSignal | undefined },
  ): AsyncIterable<Uint8Array<ArrayBuffer>>;
  traffic(): Traffic;
  /** Releases files held open in the browser's storage; the source stays usable. */
  close(): void;
}
