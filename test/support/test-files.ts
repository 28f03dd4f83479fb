/** Files under test/data, in Node and in the browser alike; and models whose files are in memory. */
import type { FileStat, ModelSource, Traffic } from '../../src/engine/source/model-source.ts';
import { readAll } from '../../src/engine/source/read-all.ts';

/** @param path relative to `folder`, test/data unless told; null when there is no such file. */
export async function readTestFile(
  path: string,
  folder = 'test/data',
): Promise<Uint8Array<ArrayBuffer> | null> {
  if (typeof document === 'undefined') {
    const { readFile } = await import('node:fs/promises');
    const url = new URL(`../../${folder}/${path}`, import.meta.url);
    return readFile(url).then(
      (bytes) => new Uint8Array(bytes),
      () => null,
    );
  }
  const response = await fetch(`/${folder.replace(/^public\//, '')}/${path}`, { cache: 'no-store' });
  // The development server answers missing files with its page.
  if (!response.ok || response.headers.get('content-type')?.includes('text/html')) return null;
  return new Uint8Array(await response.arrayBuffer());
}

/** As above, parsed; the file must be there. */
export async function readTestJson<T>(path: string): Promise<T> {
  const bytes = await readTestFile(path);
  if (!bytes) throw new Error(`test/data has no ${path}`);
  return JSON.parse(new TextDecoder().decode(bytes)) as T;
}

/** The default model of the repository with its signature maps, as a build serves it. */
export async function readDefaultModel(): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const names = ['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json'];
  const shards = [1, 2, 3].map((shard) => `model-0000${shard}-of-00003.safetensors`);
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const name of [...names, 'model.safetensors.index.json', ...shards, 'hash_attention.safetensors']) {
    const bytes = await readTestFile(name, 'public/models/SmolLM2-135M-Instruct-4bit');
    if (!bytes) throw new Error(`the default model has no ${name}`);
    files.set(name, bytes);
  }
  return files;
}

/** The default model with the signature maps that golden outputs were made with, in place of those it comes with. */
export async function readGoldenModel(): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const maps = await readTestFile('golden/SmolLM2-135M-Instruct-4bit/hash_attention.safetensors');
  if (!maps) throw new Error('test/data has no golden signature maps');
  return (await readDefaultModel()).set('hash_attention.safetensors', maps);
}

/** Every model of test/data/models/tiny. */
export const tinyModelNames = [
  'llama-f32',
  'llama-bf16-sharded',
  'llama3-f16',
  'llama-linear-f16',
  'llama-bias-f32',
  'mistral-bf16',
  'qwen2-bf16',
  'qwen2-yarn-f32',
  'qwen3-bf16',
  'llama-mlx4-g32',
  'llama-mlx4-g64',
  'llama-mlx8-g64',
  'llama-mlx4-bf16',
] as const;

/** One of test/data/models/tiny, whole. */
export async function readTinyModel(name: string): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  const add = async (file: string): Promise<Uint8Array<ArrayBuffer> | null> => {
    const bytes = await readTestFile(`models/tiny/${name}/${file}`);
    if (bytes) files.set(file, bytes);
    return bytes;
  };
  await add('config.json');
  await add('generation_config.json');
  if (await add('model.safetensors')) return files;
  const index = await add('model.safetensors.index.json');
  if (!index) throw new Error(`test/data/models/tiny/${name} has no weights`);
  const map = JSON.parse(new TextDecoder().decode(index)) as { weight_map: Record<string, string> };
  for (const shard of new Set(Object.values(map.weight_map))) await add(shard);
  return files;
}

/** A model in memory. Ranges come in pieces of the sizes `nextPiece` gives, in a buffer that is reused as real
 *  sources reuse theirs. */
export class MemorySource implements ModelSource {
  readonly name = 'a model in memory';
  readonly files: Map<string, Uint8Array<ArrayBuffer>>;
  readonly #nextPiece: () => number;
  /** Ranges asked for so far. */
  readonly reads: { path: string; begin: number; end: number }[] = [];
  #bytes = 0;

  constructor(files: Map<string, Uint8Array<ArrayBuffer>>, nextPiece: () => number = () => 65536) {
    this.files = files;
    this.#nextPiece = nextPiece;
  }

  whereIs(path: string): string {
    return `${path} in ${this.name}`;
  }

  async stat(path: string): Promise<FileStat | null> {
    const bytes = this.files.get(path);
    return bytes ? { size: bytes.length, etag: null } : null;
  }

  readAll(path: string, options: { maxBytes: number; signal?: AbortSignal | undefined }) {
    return readAll(this, path, options);
  }

  async *readRange(path: string, begin: number, end: number): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    this.reads.push({ path, begin, end });
    const bytes = this.files.get(path);
    if (!bytes || end > bytes.length) throw new Error(`no bytes [${begin}, ${end}) in ${path}`);
    let piece = new Uint8Array(0);
    for (let at = begin; at < end; ) {
      const count = Math.min(Math.max(1, this.#nextPiece()), end - at);
      piece.fill(0xaa);
      if (piece.length < count) piece = new Uint8Array(count);
      piece.set(bytes.subarray(at, at + count));
      at += count;
      this.#bytes += count;
      yield piece.subarray(0, count);
    }
  }

  traffic(): Traffic {
    return { networkBytes: 0, storageBytes: this.#bytes };
  }

  close(): void {}
}
