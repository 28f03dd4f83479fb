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
  /** Opens and closes the source's files.
   *  @throws AppError whatever reading and checking the file throws. */
  load(): Promise<ModelHashMaps>;
}

interface OpenMapsOptions {
  readonly learned?: LearnedMaps | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Reads no more than the file's header.
 *  @param learned come before the model's own, where there are any
 *  @param signal ends the reading of the header
 *  @throws AppError whatever reading and checking the header throws. */
export async function openModelMaps(
  gpu: Gpu,
  source: ModelSource,
  config: ModelConfig,
  running: Running,
  { learned, signal }: OpenMapsOptions = {},
): Promise<OpenedMaps> {
  const own = async () =>
    (await openTrained(gpu, source, config, running, { origin: 'trained', signal })) ??
    untrainedMaps(gpu, config);
  const bytes = learned && (await learnedBytes(learned));
  if (!bytes) return own();
  const ofLearned = bytesSource('learned signatures', hashMapsFile, bytes);
  const opened = await unlessUnfit(openTrained(gpu, ofLearned, config, running, { origin: 'learned' }));
  if (!opened) return own();
  return { ...opened, load: async () => (await unlessUnfit(opened.load())) ?? (await own()).load() };
}

/** As `openModelMaps` and `OpenedMaps.load`. */
export async function loadModelHashMaps(...parts: Parameters<typeof openModelMaps>): Promise<ModelHashMaps> {
  return (await openModelMaps(...parts)).load();
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

/** Null where learned maps are none of this model as it is now: its files have changed since. */
async function unlessUnfit<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    const isUnfit = error instanceof AppError && /^(file-malformed|model-unsupported)$/.test(error.code);
    if (isUnfit) return null;
    throw error;
  }
}

/** Null where there is no such file. */
async function openTrained(
  gpu: Gpu,
  source: ModelSource,
  config: ModelConfig,
  running: Running,
  { origin, signal }: { readonly origin: 'trained' | 'learned'; readonly signal?: AbortSignal | undefined },
): Promise<OpenedMaps | null> {
  const facts = await openHashMaps(source, config, { signal });
  if (!facts) return null;
  const warning = warningOf(hashMapsFit(facts, running));
  return {
    facts,
    warning,
    shape: hashMapsShape(facts),
    async load() {
      try {
        return { maps: await loadHashMaps(gpu, source, facts), facts, origin, untrained: null, warning };
      } finally {
        source.close();
      }
    },
  };
}

/** Random projections. */
export function untrainedMaps(gpu: Gpu, config: ModelConfig): OpenedMaps {
  const bits = 32;
  const facts = { score: 'asymmetric', queryBits: 4, sharing: 'kv-head', layerBudgets: null } as const;
  return {
    facts,
    warning: null,
    shape: untrainedShape(config, bits),
    async load() {
      const untrained = await createUntrainedHashMaps(gpu, config, { bits, seed: 1 });
      return { maps: untrained, facts, origin: 'untrained', untrained, warning: null };
    },
  };
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
