/** Trains signatures in Node on Dawn, as scripts/train-signatures.mjs starts it. */
import { existsSync, openAsBlob } from 'node:fs';
import { readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { loadWeights } from '../../src/engine/load/load-weights.ts';
import { type OpenedModel, openModel } from '../../src/engine/load/open-model.ts';
import { partLimit, planWeights } from '../../src/engine/load/plan-weights.ts';
import { Network } from '../../src/engine/network/network.ts';
import { filesSource } from '../../src/engine/source/files.ts';
import type { ModelSource } from '../../src/engine/source/model-source.ts';
import { openSource } from '../../src/engine/source/open-source.ts';
import { TrainCorpus } from '../../src/engine/train/corpus.ts';
import { type DrawFact, factDrawer } from '../../src/engine/train/facts.ts';
import { checkSteps } from '../../src/engine/train/train-options.ts';
import { type TrainProgress, trainSignatures } from '../../src/engine/train/train-signatures.ts';
import { AppError } from '../../src/errors.ts';
import { openGpu } from '../../src/kernels/runtime/gpu.ts';
import { parseChatTemplate } from '../../src/model/chat-template.ts';
import { createTokenizer } from '../../src/model/tokenizer.ts';
import { parseArguments, type TrainArguments, usage } from './arguments.ts';

try {
  const parsed = parseArguments(process.argv.slice(2));
  if (parsed === 'help') console.log(usage);
  else await train(parsed);
  process.exit(0);
} catch (error) {
  if (!(error instanceof AppError)) throw error;
  console.error(error.message);
  process.exit(error.code === 'aborted' ? 3 : 1);
}

async function train(parsed: TrainArguments): Promise<void> {
  const source = await openModelSource(parsed.model);
  const model = await openModel(source);
  const { config } = model;
  const options = parsed.options(config.trainedContext);
  const from = parsed.resume || parsed.from === null ? undefined : await readMapsFile(parsed.from);
  checkSteps(options, { from });
  // refuses text that is too short before anything is loaded
  const corpus = new TrainCorpus(await readTokens(parsed, model), options, openFacts(model));
  const gpu = await openDawn();
  console.log(`${gpu.traits.description || gpu.traits.vendor}; ${source.name}, ${options.steps} steps`);
  const plannedContext = Math.max(...options.lengths);
  if (plannedContext > config.trainedContext) {
    throw new AppError(
      'invalid-request',
      `--lengths: ${source.name} was trained on ${config.trainedContext} tokens; got ${plannedContext}. Choose shorter lengths.`,
    );
  }
  const { manifest, entries } = model;
  const maxPartBytes = partLimit(gpu.device.limits);
  const plan = planWeights({ config, manifest, entries, weights: parsed.weights, maxPartBytes });
  const network = await Network.create({
    ...{ gpu, config, plannedContext, rope: config.rope },
    weights: await loadWeights(gpu, source, plan),
    openHashMaps: () => Promise.reject(new Error('training needs no maps')),
  });
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  if (parsed.stopAfter !== null) setTimeout(() => stop.abort(), parsed.stopAfter * 1000).unref();
  const file = await trainSignatures(
    { gpu, network, rope: config.rope, model: source.name, corpus },
    {
      checkpoint: parsed.resume ? await readCheckpointFile(parsed.checkpoint) : undefined,
      from,
      checkpointEvery: parsed.checkpointEvery,
      measureEvery: parsed.measureEvery,
      onProgress: (progress) => tell(progress, parsed),
      signal: stop.signal,
    },
  );
  await writeWhole(parsed.out, file);
  console.log(`${parsed.out}: ${file.length} bytes`);
}

async function tell(progress: TrainProgress, { checkpoint }: TrainArguments): Promise<void> {
  switch (progress.kind) {
    case 'step': {
      const { step, steps, loss, milliseconds } = progress;
      console.log(`step ${step} of ${steps}: loss ${loss.toFixed(4)}, ${milliseconds.toFixed(0)} ms a step`);
      return;
    }
    case 'recall': {
      const { recall, mass, bestMass, layers } = progress.recall;
      const perLayer = layers.map((layer) => layer.recall.toFixed(2)).join(' ');
      console.log(
        `held out, after ${progress.step} steps: recall ${recall.toFixed(4)}, mass ${mass.toFixed(4)} of at most ${bestMass.toFixed(4)}; recall by layer ${perLayer}`,
      );
      return;
    }
    case 'checkpoint':
      await writeWhole(checkpoint, progress.bytes);
      return;
    default:
      throw progress satisfies never;
  }
}

/** A file is replaced only by a whole one. */
async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  await writeFile(`${path}.part`, bytes);
  await rename(`${path}.part`, path);
}

async function readCheckpointFile(path: string): Promise<Uint8Array<ArrayBuffer>> {
  if (!existsSync(path)) {
    throw new AppError('invalid-request', `--resume: there is no ${path}. Leave --resume out to start anew.`);
  }
  return new Uint8Array(await readFile(path));
}

async function readMapsFile(path: string): Promise<Uint8Array<ArrayBuffer>> {
  if (!existsSync(path)) {
    throw new AppError('invalid-request', `--from: there is no ${path}. Leave --from out to start anew.`);
  }
  return new Uint8Array(await readFile(path));
}

async function openModelSource(name: string): Promise<ModelSource> {
  if (!existsSync(name) || !(await stat(name)).isDirectory()) return openSource(name, { useStorage: false });
  const names = (await readdir(name)).filter((file) => /\.(json|safetensors|jinja|md)$/.test(file));
  const files = names.map(async (file) => new File([await openAsBlob(join(name, file))], file));
  const source = filesSource(await Promise.all(files));
  return Object.assign(source, { name: name.replace(/\/+$/, '').split('/').at(-1) });
}

/** Null without a tokenizer. */
function openFacts({ tokenizer: files }: OpenedModel): DrawFact | null {
  if (!files) return null;
  const { tokenizerJson, tokenizerConfig, chatTemplate: jinja } = files;
  const tokenizer = createTokenizer(tokenizerJson, tokenizerConfig ?? {});
  const template = parseChatTemplate({ tokenizerConfig: tokenizerConfig ?? {}, jinja });
  return factDrawer({
    encode: (text, options) => tokenizer.encode(text, options),
    renderChat: template && ((messages) => template.render(messages)),
  });
}

async function readTokens({ text, tokens }: TrainArguments, model: OpenedModel): Promise<Uint32Array> {
  const parts: ArrayLike<number>[] = [];
  for (const path of tokens) {
    const { buffer } = new Uint8Array(await readFile(path));
    parts.push(path.endsWith('.u16') ? new Uint16Array(buffer) : new Uint32Array(buffer));
  }
  if (text.length > 0) {
    if (!model.tokenizer) {
      throw new AppError('model-unsupported', `${model.source.name} has no tokenizer.json: give --tokens.`);
    }
    const { tokenizerJson, tokenizerConfig } = model.tokenizer;
    const tokenizer = createTokenizer(tokenizerJson, tokenizerConfig ?? {});
    for (const path of text) parts.push(tokenizer.encode(await readFile(path, 'utf8')));
  }
  const all = new Uint32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  const largest = all.reduce((most, id) => Math.max(most, id), 0);
  if (largest < model.config.vocab) return all;
  throw new AppError(
    'invalid-request',
    `--tokens: id ${largest} is none of the model's ${model.config.vocab}. Use ids of its own tokenizer.`,
  );
}

/** TRAIN_WEBGPU: path of the npm package `webgpu` where it is not in node_modules. */
async function openDawn() {
  const path = process.env.TRAIN_WEBGPU;
  const webgpu = path ? pathToFileURL(path).href : 'webgpu';
  const { create } = (await import(/* @vite-ignore */ webgpu)) as typeof import('webgpu');
  const dawn = create(['backend=vulkan']);
  // Dawn's objects do not keep the instance alive: once it is collected, the process crashes
  Object.assign(globalThis, { dawnKeptAlive: dawn });
  const gpu = await openGpu({ gpu: dawn });
  gpu.device.addEventListener('uncapturederror', (event) => {
    console.error(`WebGPU error outside any scope: ${event.error.message}`);
  });
  return gpu;
}
