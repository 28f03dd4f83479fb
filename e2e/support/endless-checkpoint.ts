/** A checkpoint of any size whose weights are made while they are read: normal values in F16, repeating. */
import { readFileSync } from 'node:fs';
import { Random } from '../../src/kernels/testing/random.ts';
import { parseModelConfig } from '../../src/model/config.ts';
import { weightManifest } from '../../src/model/weight-manifest.ts';
import { encode } from '../../test/support/checkpoint.ts';
import { type ServedFile, served } from '../../test/support/model-server.ts';
import { defaultModelFolder } from './hosts.ts';

export interface EndlessCheckpoint {
  readonly files: ReadonlyMap<string, ServedFile>;
  /** Of the weight files. */
  readonly bytes: number;
}

/** The files of a model with this config, spread over shards; the text side is the default model's. */
export function endlessCheckpoint(config: object, shards: number, seed: number): EndlessCheckpoint {
  const values = encode(new Random(seed).normals(2 ** 19, 0.02), 'F16');
  const { tensors } = weightManifest(parseModelConfig(config));
  const perShard = Math.ceil(tensors.length / shards);
  const files = new Map<string, ServedFile>([['config.json', served(JSON.stringify(config))]]);
  for (const name of ['tokenizer.json', 'tokenizer_config.json', 'generation_config.json']) {
    files.set(name, served(readFileSync(new URL(name, defaultModelFolder))));
  }
  const weightMap: Record<string, string> = {};
  let bytes = 0;
  for (let shard = 0; shard < shards; shard++) {
    const name = `model-0000${shard + 1}-of-0000${shards}.safetensors`;
    const inShard = tensors.slice(shard * perShard, (shard + 1) * perShard);
    for (const tensor of inShard) weightMap[tensor.name] = name;
    const file = endlessFile(inShard, values, `"${shard}"`);
    files.set(name, file);
    bytes += file.size;
  }
  files.set('model.safetensors.index.json', served(JSON.stringify({ weight_map: weightMap })));
  return { files, bytes };
}

function endlessFile(
  tensors: readonly { readonly name: string; readonly shape: readonly number[] }[],
  values: Uint8Array,
  etag: string,
): ServedFile {
  let end = 0;
  const entries = tensors.map(({ name, shape }) => {
    const begin = end;
    end += shape.reduce((product, size) => product * size, 2);
    return [name, { dtype: 'F16', shape, data_offsets: [begin, end] }] as const;
  });
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const header = new Uint8Array(8 + json.length);
  new DataView(header.buffer).setUint32(0, json.length, true);
  header.set(json, 8);
  return {
    size: header.length + end,
    etag,
    bytes(from, to) {
      const bytes = new Uint8Array(to - from);
      bytes.set(header.subarray(from, to));
      for (let at = Math.max(from, header.length); at < to; ) {
        const first = (at - header.length) % values.length;
        const piece = values.subarray(first, first + to - at);
        bytes.set(piece, at - from);
        at += piece.length;
      }
      return bytes;
    },
  };
}
