import { describe, expect, test } from 'vitest';
import { AppError } from '../../errors.ts';
import { Random, runSeed } from '../../kernels/testing/random.ts';
import type { ModelReference } from '../api.ts';
import type { ModelSource } from './model-source.ts';
import { openSource } from './open-source.ts';

const random = new Random(runSeed);
const weights = new Uint8Array(random.words(75_000).buffer);

/** A file as a folder picker gives it. */
function picked(path: string, content: BlobPart): File {
  const file = new File([content], path.split('/').at(-1)!);
  Object.defineProperty(file, 'webkitRelativePath', { value: path });
  return file;
}

interface Folder {
  readonly [name: string]: File | Folder;
}

/** The part of a directory handle that reading needs, with its errors. */
function directoryHandle(name: string, entries: Folder): FileSystemDirectoryHandle {
  const find = (wanted: string, isFile: boolean): File | Folder => {
    const entry = entries[wanted];
    if (!entry) throw new DOMException('no such entry', 'NotFoundError');
    if (entry instanceof File !== isFile) throw new DOMException('wrong kind', 'TypeMismatchError');
    return entry;
  };
  const handle = {
    name,
    getFileHandle: async (file: string) => ({ getFile: async () => find(file, true) as File }),
    getDirectoryHandle: async (folder: string) => directoryHandle(folder, find(folder, false) as Folder),
  };
  return handle as unknown as FileSystemDirectoryHandle;
}

async function readWhole(source: ModelSource, path: string, begin: number, end: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const chunk of source.readRange(path, begin, end)) parts.push(chunk.slice());
  return Buffer.concat(parts);
}

async function codeOf(pending: Promise<unknown>): Promise<string> {
  return pending.then(
    () => 'success',
    (error: unknown) => (error instanceof AppError ? error.code : String(error)),
  );
}

describe.each<[string, string, ModelReference]>([
  [
    'a folder',
    'tiny',
    {
      kind: 'folder',
      handle: directoryHandle('tiny', {
        'config.json': new File(['{}'], 'config.json'),
        'model.safetensors': new File([weights], 'model.safetensors'),
        sub: { 'a.json': new File(['[1]'], 'a.json') },
      }),
    },
  ],
  [
    'a list of files from a folder',
    'tiny',
    {
      kind: 'files',
      files: [
        picked('tiny/config.json', '{}'),
        picked('tiny/model.safetensors', weights),
        picked('tiny/sub/a.json', '[1]'),
      ],
    },
  ],
])('%s', (_, name, reference) => {
  test(`gives sizes, whole files and ranges (seed ${runSeed})`, async () => {
    const source = await openSource(reference);
    expect(source.name).toBe(name);
    expect(await source.stat('model.safetensors')).toEqual({ size: weights.length, etag: null });
    expect(await source.stat('absent.json')).toBeNull();
    expect(await source.stat('sub')).toBeNull();
    expect(await source.readAll('absent.json', { maxBytes: 10 })).toBeNull();
    expect(new TextDecoder().decode((await source.readAll('sub/a.json', { maxBytes: 10 }))!)).toBe('[1]');
    let total = 3;
    for (let round = 0; round < 20; round++) {
      const begin = random.integer(0, weights.length);
      const end = random.integer(begin, weights.length);
      const got = await readWhole(source, 'model.safetensors', begin, end);
      expect(Buffer.compare(got, weights.subarray(begin, end))).toBe(0);
      total += end - begin;
    }
    expect(source.traffic()).toEqual({ networkBytes: 0, storageBytes: total });
  });

  test('refuses what is outside a file, missing, too large or stopped', async () => {
    const source = await openSource(reference);
    const end = weights.length + 1;
    expect(await codeOf(readWhole(source, 'model.safetensors', 0, end))).toBe('file-malformed');
    expect(await codeOf(readWhole(source, 'absent.safetensors', 0, 1))).toBe('download-failed');
    expect(await codeOf(source.readAll('model.safetensors', { maxBytes: 10 }))).toBe('file-malformed');
    const signal = AbortSignal.abort();
    expect(await codeOf(source.readAll('config.json', { maxBytes: 10, signal }))).toBe('aborted');
  });
});

test('files chosen one by one are found by their names', async () => {
  const source = await openSource({ kind: 'files', files: [new File(['{}'], 'config.json')] });
  expect(source.name).toBe('local files');
  expect(await source.stat('config.json')).toEqual({ size: 2, etag: null });
});

test('two files of one name are refused', async () => {
  const files = [new File(['{}'], 'config.json'), new File(['[]'], 'config.json')];
  expect(await codeOf(openSource({ kind: 'files', files }))).toBe('invalid-request');
});

test('a folder that may not be read says so', async () => {
  const handle = {
    name: 'locked',
    getFileHandle: () => Promise.reject(new DOMException('denied', 'NotAllowedError')),
  } as unknown as FileSystemDirectoryHandle;
  const source = await openSource({ kind: 'folder', handle });
  await expect(source.stat('config.json')).rejects.toThrow(
    'config.json in the folder "locked" may not be read (NotAllowedError: denied). Choose the folder again and allow reading.',
  );
});

test('a file removed after it was chosen is reported with its name', async () => {
  const file = new File([weights], 'model.safetensors');
  const gone = () =>
    new Blob([]).stream().pipeThrough(
      new TransformStream({
        flush() {
          throw new DOMException('gone', 'NotReadableError');
        },
      }),
    );
  Object.defineProperty(file, 'slice', { value: () => ({ stream: gone }) });
  const source = await openSource({ kind: 'files', files: [file] });
  await expect(readWhole(source, 'model.safetensors', 0, 10)).rejects.toThrow(
    /^model\.safetensors could not be read \(NotReadableError: gone\)/,
  );
});
