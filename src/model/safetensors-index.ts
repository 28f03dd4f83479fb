/** The index of a sharded checkpoint: which file holds which tensor. */
import { AppError } from '../errors.ts';
import { findDuplicateKey } from './json-duplicates.ts';
import { JsonFields } from './json-fields.ts';
import type { TensorEntry } from './safetensors.ts';

export interface SafetensorsIndex {
  /** Shard file names, sorted. */
  readonly shards: readonly string[];
  /** Tensor name → shard. */
  readonly shardOf: ReadonlyMap<string, string>;
}

/** @param text content of model.safetensors.index.json.
 *  @throws AppError "file-malformed": not JSON, a tensor named twice, a shard that is no plain file name. */
export function parseSafetensorsIndex(text: string, file = 'model.safetensors.index.json'): SafetensorsIndex {
  const weightMap = new JsonFields(parseJson(text, file), file).nested('weight_map');
  const duplicate = findDuplicateKey(text);
  if (duplicate !== null) throw malformed(file, `${JSON.stringify(duplicate)} is stated twice`);
  const shardOf = new Map(weightMap.keys().map((name) => [name, weightMap.string(name)]));
  for (const [tensor, shard] of shardOf) {
    if (!/^[A-Za-z0-9_][A-Za-z0-9._-]*\.safetensors$/.test(shard) || shard.includes('..')) {
      throw malformed(
        file,
        `tensor ${tensor} is said to be in ${JSON.stringify(shard)}; expected a plain file name`,
      );
    }
  }
  if (shardOf.size === 0) throw malformed(file, 'weight_map names no tensor');
  return { shards: [...new Set(shardOf.values())].sort(), shardOf };
}

/** Compares the index with what the shards really hold; call it with the entries of all shards.
 *  @throws AppError "file-malformed": a tensor missing from its shard, or present in two. */
export function checkIndex(index: SafetensorsIndex, entries: readonly TensorEntry[]): void {
  const holder = new Map<string, string>();
  for (const { name, file } of entries) {
    const other = holder.get(name);
    if (other !== undefined) throw malformed(file, `tensor ${name} is also in ${other}`);
    holder.set(name, file);
  }
  for (const [name, shard] of index.shardOf) {
    const got = holder.get(name);
    if (got !== shard) {
      throw malformed(
        shard,
        `tensor ${name} is missing; the index promises it there (found: ${got ?? 'nowhere'})`,
      );
    }
  }
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw malformed(file, `not JSON (${(cause as Error).message})`, cause);
  }
}

function malformed(file: string, fault: string, cause?: unknown): AppError {
  return new AppError(
    'file-malformed',
    `${file}: ${fault}. Download the files again, or choose another model.`,
    {
      details: { file },
      cause,
    },
  );
}
