/** A model folder on disk, ready to be evaluated in Node: network, tokenizer, and signature maps from any files. */
import { openAsBlob } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import {
  loadModelHashMaps,
  type ModelHashMaps,
  openModelMaps,
  untrainedMaps,
} from '../src/engine/attention/model-hash-maps.ts';
import { loadWeights } from '../src/engine/load/load-weights.ts';
import { openModel } from '../src/engine/load/open-model.ts';
import { partLimit, planWeights } from '../src/engine/load/plan-weights.ts';
import { Network } from '../src/engine/network/network.ts';
import { filesSource } from '../src/engine/source/files.ts';
import type { Gpu } from '../src/kernels/runtime/gpu.ts';
import { hashMapsFile } from '../src/model/hash-maps.ts';
import { createTokenizer, type Tokenizer } from '../src/model/tokenizer.ts';

export interface EvaluatedModel {
  readonly name: string;
  readonly network: Network;
  readonly tokenizer: Tokenizer;
  /** Maps in a file; "untrained": random projections; null: those of the model's folder. */
  openMaps(path: string | null): Promise<ModelHashMaps>;
}

/** context: tokens the cache must hold. Weights are kept as stored. */
export async function openEvaluatedModel(gpu: Gpu, folder: string, context: number): Promise<EvaluatedModel> {
  const names = (await readdir(folder)).filter((name) => /\.(json|safetensors)$/.test(name));
  const files = await Promise.all(names.map((name) => fileAt(join(folder, name))));
  const source = filesSource(files);
  const model = await openModel(source);
  const { config } = model;
  const maxPartBytes = partLimit(gpu.device.limits);
  const weights = await loadWeights(gpu, source, planWeights({ ...model, weights: 'stored', maxPartBytes }));
  const running = { rope: config.rope, contextLength: context };
  const own = () => openModelMaps(gpu, filesSource(files), config, running);
  const network = await Network.create({
    ...{ gpu, config, weights, rope: config.rope, plannedContext: context },
    openHashMaps: own,
  });
  const json = async (name: string): Promise<unknown> =>
    JSON.parse(await files.find((file) => file.name === name)!.text());
  const tokenizer = createTokenizer(await json('tokenizer.json'), await json('tokenizer_config.json'));
  return {
    name: basename(folder),
    network,
    tokenizer,
    async openMaps(path) {
      if (path === null) return (await own()).load();
      if (path === 'untrained') return untrainedMaps(gpu, config).load();
      return loadModelHashMaps(gpu, filesSource([await fileAt(path, hashMapsFile)]), config, running);
    },
  };
}

async function fileAt(path: string, name = basename(path)): Promise<File> {
  return new File([await openAsBlob(path)], name);
}
