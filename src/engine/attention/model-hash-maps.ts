/** The signature maps of a model: those beside its weights, or random projections where there are none. */

import { AppError } from '../../errors.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import { readBytes } from '../../kernels/runtime/readback.ts';
import { floatFromHalf } from '../../kernels/shared/half.ts';
import type { ModelConfig } from '../../model/config.ts';
import { type HashMapsFit, hashMapsFile, hashMapsFit } from '../../model/hash-maps.ts';
import type { RopeConfig } from '../../model/rope-config.ts';
import type { AttentionFacts } from '../api.ts';
import type { GpuHashMaps, HashMapsShape } from '../load/gpu-hash-maps.ts';
import { hashMapsShape, loadHashMaps, openHashMaps } from '../load/load-hash-maps.ts';
import {
  centringTokens,
  createUntrainedHashMaps,
  type UntrainedHashMaps,
  untrainedShape,
} from '../load/untrained-hash-maps.ts';
import type { KvCache } from '../network/kv-cache.ts';
import { bytesSource } from '../source/bytes-source.ts';
import type { ModelSource } from '../source/model-source.ts';
import { readLearnedFile } from '../source/storage/learned-file.ts';
import type { MapFacts } from './hash-choices.ts';
import type { LearnedMaps } from './learned-maps.ts';

export interface ModelHashMaps {
  readonly maps: GpuHashMaps;
  readonly facts: MapFacts;
  readonly origin: AttentionFacts['maps'];
  /** Random projections, to be centred on the first keys before anything is hashed; null where maps were trained. */
  readonly untrained: UntrainedHashMaps | null;
  /** Why maps that were trained should not be relied on; null where they may. */
  readonly warning: string | null;
}

/** What the engine runs: its RoPE, extended or not, and the planned context in tokens. */
export interface Running {
  readonly rope: RopeConfig;
  readonly contextLength: number;
}

/** What is known of maps before they are read. */
export interface OpenedMaps extends Pick<ModelHashMaps, 'facts' | 'warning'> {
  readonly shape: HashMapsShape;
}

/** @param learned come before the model's own, where there are any
 *  @throws AppError whatever reading and checking the file's header throws. */
export async function openModelMaps(
  source: ModelSource,
  config: ModelConfig,
  running: Running,
  learned?: LearnedMaps,
): Promise<OpenedMaps> {
  const bytes = learned && (await learnedBytes(learned));
  const ofLearned = bytes && (await openHashMaps(learnedSource(bytes), config).catch(() => null));
  const facts = ofLearned || (await openHashMaps(source, config));
  if (!facts) return { facts: untrainedFacts, shape: untrainedShape(config, untrainedBits), warning: null };
  return { facts, shape: hashMapsShape(facts), warning: warningOf(hashMapsFit(facts, running)) };
}

/** @param learned come before the model's own, where there are any
 *  @throws AppError whatever reading and checking the file throws. */
export async function loadModelHashMaps(
  gpu: Gpu,
  source: ModelSource,
  config: ModelConfig,
  running: Running,
  learned?: LearnedMaps,
): Promise<ModelHashMaps> {
  const bytes = learned && (await learnedBytes(learned));
  try {
    return (
      (bytes && (await learnedHashMaps(gpu, bytes, config, running))) ??
      (await trainedHashMaps(gpu, source, config, running, 'trained')) ??
      (await untrainedHashMaps(gpu, config))
    );
  } finally {
    source.close();
  }
}

/** Storage that cannot be read has none: the model's own maps then serve. */
async function learnedBytes(learned: LearnedMaps): Promise<Uint8Array<ArrayBuffer> | null> {
  const { bytes, folder } = learned;
  if (bytes !== undefined) return bytes;
  const stored = folder && (await readLearnedFile(folder).catch(() => null));
  // others may have been put in use meanwhile, or none (null)
  if (learned.bytes === undefined) learned.bytes = stored;
  return learned.bytes;
}

function learnedSource(bytes: Uint8Array<ArrayBuffer>): ModelSource {
  return bytesSource('learned signatures', hashMapsFile, bytes);
}

/** Null where they are none of this model as it is now: its files have changed since. */
async function learnedHashMaps(
  gpu: Gpu,
  bytes: Uint8Array<ArrayBuffer>,
  config: ModelConfig,
  running: Running,
): Promise<ModelHashMaps | null> {
  try {
    return await trainedHashMaps(gpu, learnedSource(bytes), config, running, 'learned');
  } catch (error) {
    const isUnfit = error instanceof AppError && /^(file-malformed|model-unsupported)$/.test(error.code);
    if (isUnfit) return null;
    throw error;
  }
}

async function trainedHashMaps(
  gpu: Gpu,
  source: ModelSource,
  config: ModelConfig,
  running: Running,
  origin: 'trained' | 'learned',
): Promise<ModelHashMaps | null> {
  const facts = await openHashMaps(source, config);
  if (!facts) return null;
  const warning = warningOf(hashMapsFit(facts, running));
  return { maps: await loadHashMaps(gpu, source, facts), facts, origin, untrained: null, warning };
}

const untrainedBits = 32;
const untrainedFacts: MapFacts = { score: 'asymmetric', queryBits: 4, sharing: 'kv-head' };

export async function untrainedHashMaps(gpu: Gpu, config: ModelConfig): Promise<ModelHashMaps> {
  const untrained = await createUntrainedHashMaps(gpu, config, { bits: untrainedBits, seed: 1 });
  return { maps: untrained, facts: untrainedFacts, origin: 'untrained', untrained, warning: null };
}

function warningOf(fit: HashMapsFit): string | null {
  switch (fit.kind) {
    case 'fits':
      return null;
    case 'other-rope':
      return `The signature maps were trained under the RoPE ${fit.trained}; the model runs under ${fit.running}, where they may choose the wrong tokens. Plan a context that needs no extension, or use maps trained for it.`;
    case 'beyond-trained-length':
      return `The signature maps were trained on contexts of up to ${fit.trainedLength} tokens; ${fit.contextLength} are planned, where they may choose the wrong tokens. Plan a shorter context, or use maps trained on longer ones.`;
    default:
      return fit satisfies never;
  }
}

/** Sets the key biases of random projections from the mean of the first cached keys, once. */
export async function centreOnKeys(
  gpu: Gpu,
  config: ModelConfig,
  untrained: UntrainedHashMaps,
  cache: KvCache,
  tokens: number,
): Promise<void> {
  const { kvHeads, headDim } = config;
  const count = Math.min(tokens, centringTokens);
  const bytes = count * headDim * 2;
  for (let layer = 0; layer < config.layers; layer++) {
    const means = new Float32Array(kvHeads * headDim);
    const { buffer } = cache.layer(layer).key;
    for (let head = 0; head < kvHeads; head++) {
      const offset = head * cache.capacity * headDim * 2;
      const halves = new Uint16Array(await readBytes(gpu, { buffer, offset }, Math.ceil(bytes / 4) * 4));
      for (let i = 0; i < count * headDim; i++) {
        means[head * headDim + (i % headDim)]! += floatFromHalf(halves[i]!) / count;
      }
    }
    untrained.centre(layer, means);
  }
}
