/** The headers of all weight files of a model, checked against each other. */
import { AppError } from '../../errors.ts';
import {
  parseSafetensorsHeader,
  type SafetensorsHeader,
  safetensorsDataBegin,
  type TensorEntry,
} from '../../model/safetensors.ts';
import { checkIndex, parseSafetensorsIndex, type SafetensorsIndex } from '../../model/safetensors-index.ts';
import type { ModelSource } from '../source/model-source.ts';
import { readText } from './read-small.ts';

export interface WeightFile {
  readonly file: string;
  /** Bytes. */
  readonly size: number;
}

export interface WeightHeaders {
  readonly files: readonly WeightFile[];
  readonly entries: readonly TensorEntry[];
}

const singleFile = 'model.safetensors';
const indexFile = 'model.safetensors.index.json';
const maxIndexBytes = 16 * 2 ** 20;

/** Most headers fit: one request each. */
const firstReadBytes = 64 * 2 ** 10;

/** @throws AppError "model-unsupported" when the model has no safetensors, "file-malformed" naming file and tensor. */
export async function readWeightHeaders(
  source: ModelSource,
  signal: AbortSignal | undefined,
): Promise<WeightHeaders> {
  if (await source.stat(singleFile, { signal })) {
    const { file, size, entries } = await readHeader(source, singleFile, signal);
    return { files: [{ file, size }], entries };
  }
  const index = await readIndex(source, signal);
  const headers = await Promise.all(index.shards.map((shard) => readHeader(source, shard, signal)));
  const entries = headers.flatMap((header) => header.entries);
  checkIndex(index, entries);
  return { files: headers.map(({ file, size }) => ({ file, size })), entries };
}

async function readIndex(source: ModelSource, signal: AbortSignal | undefined): Promise<SafetensorsIndex> {
  const text = await readText(source, indexFile, { maxBytes: maxIndexBytes, signal });
  if (text !== null) return parseSafetensorsIndex(text, indexFile);
  throw new AppError(
    'model-unsupported',
    `${source.name} has neither ${singleFile} nor ${indexFile}; this engine reads weights from safetensors only. Choose another model.`,
  );
}

async function readHeader(
  source: ModelSource,
  file: string,
  signal: AbortSignal | undefined,
): Promise<WeightFile & { readonly entries: readonly TensorEntry[] }> {
  const stat = await source.stat(file, { signal });
  if (stat === null) {
    throw new AppError(
      'file-malformed',
      `${source.name}: ${indexFile} names ${file}, which is not there. Check the model's files, or choose another model.`,
      { details: { file } },
    );
  }
  const { entries } = await readSafetensorsHeader(source, file, stat.size, signal);
  return { file, size: stat.size, entries };
}

/** Reads as much of a file as its header takes.
 *  @throws AppError "file-malformed" naming file and tensor, and what the source throws. */
export async function readSafetensorsHeader(
  source: ModelSource,
  file: string,
  fileSize: number,
  signal: AbortSignal | undefined,
): Promise<SafetensorsHeader> {
  const facts = { file, fileSize };
  const first = await readBytes(source, file, 0, Math.min(fileSize, firstReadBytes), signal);
  const dataBegin = safetensorsDataBegin(first, facts);
  let header = first;
  if (dataBegin > first.length) {
    header = new Uint8Array(dataBegin);
    header.set(first);
    header.set(await readBytes(source, file, first.length, dataBegin, signal), first.length);
  }
  return parseSafetensorsHeader(header, facts);
}

async function readBytes(
  source: ModelSource,
  file: string,
  begin: number,
  end: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(end - begin);
  let position = 0;
  for await (const piece of source.readRange(file, begin, end, { signal })) {
    bytes.set(piece, position);
    position += piece.length;
  }
  return bytes;
}
