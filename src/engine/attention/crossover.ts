/** From which context on HashAttention decodes faster than dense attention on this device: both are timed at two lengths
 *  with the model's shapes, and the lines through the times are intersected. */
import type { Attend } from '../../kernels/attend/attend.ts';
import { Arena } from '../../kernels/runtime/arena.ts';
import { type Dispatch, encodeDispatches } from '../../kernels/runtime/dispatch.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { GpuHashMaps } from '../load/gpu-hash-maps.ts';
import { allocating } from '../memory/allocating.ts';
import { type LayerCache, rowBytes } from '../network/kv-cache.ts';
import { createStepBuffer, writeStep } from '../network/step.ts';
import type { AttentionPolicy } from './attention-policy.ts';
import { denseAttention } from './dense.ts';
import type { CachedLayers } from './derived-caches.ts';
import { HashAttention } from './hash-attention.ts';
import type { HashChoices } from './hash-choices.ts';

export interface CrossoverParts {
  readonly gpu: Gpu;
  readonly config: ModelConfig;
  readonly maps: GpuHashMaps;
  readonly choices: HashChoices;
  readonly attend: Attend;
  readonly plannedContext: number;
}

/** Keys and values that steps are timed on: more than caches hold, so that they come from memory as in decoding. */
const scratchBytes = 128 * 2 ** 20;
/** Longest context timed. */
const mostTokens = { gpu: 65536, cpu: 2048 } as const;
/** Milliseconds that timing one list may take, more or less. */
const budgetMs = 24;
const rounds = 5;
const mostDispatches = 2000;

/** @returns tokens of context; null where it is nowhere within the planned context. Not while other work runs.
 *  @throws AppError "out-of-memory". */
export async function measureCrossover(parts: CrossoverParts): Promise<number | null> {
  const { gpu, config, choices, plannedContext } = parts;
  const { kvHeads, headDim } = config;
  const { isCpu } = gpu.traits;
  // up to there everything is attended to
  const least = choices.sink + choices.window + 1;
  const limit = Math.min(plannedContext, isCpu ? mostTokens.cpu : mostTokens.gpu);
  const bound = scratchBytes / (kvHeads * rowBytes(headDim));
  const long = Math.floor(Math.min(limit, bound) / 4) * 4;
  const short = Math.max(least, Math.floor(long / 4));
  if (long <= short) return null;
  const layers = isCpu ? 1 : Math.max(1, Math.min(config.layers, Math.floor(bound / long)));

  const arena = new Arena(gpu);
  let hash: HashAttention | undefined;
  try {
    const cache = await scratchCache(arena, config, layers, long);
    hash = await HashAttention.create({
      ...parts,
      cache,
      config: { ...config, layers },
      choices: { ...choices, denseLayers: [] },
    });
    // On a CPU hashing so many keys would take longer than all else, and equal signatures cost what others do.
    await hash.catchUp(isCpu ? 0 : long - 1);
    const step = createStepBuffer(arena, 'crossover.step');
    const query = arena.tensor('crossover.query', 'f32', [config.qHeads * headDim]);
    const attended = arena.tensor('crossover.attended', 'f32', [config.qHeads * headDim]);
    const listOf = (policy: AttentionPolicy): Dispatch[] =>
      Array.from({ length: layers }, (_, index) =>
        policy.attend(arena, { index, step, query, cache: cache.layer(index), capacity: long, attended }),
      ).flat();
    const dense = listOf(densePolicy(parts, arena, long));
    const sparse = listOf(hash.policy(arena));
    /** Milliseconds that a sparse step takes longer than a dense one. */
    const lossAt = async (tokens: number): Promise<number> => {
      writeStep(gpu, step, { position: tokens - 1, rows: 1, index: 0 });
      return (await timeList(gpu, sparse)) - (await timeList(gpu, dense));
    };
    const crossing = crossingOf(
      { tokens: short, loss: await lossAt(short) },
      { tokens: long, loss: await lossAt(long) },
    );
    return crossing <= plannedContext ? Math.max(least, Math.ceil(crossing)) : null;
  } finally {
    hash?.dispose();
    arena.dispose();
  }
}

interface Loss {
  readonly tokens: number;
  readonly loss: number;
}

/** Where the line through two losses falls below zero: 0 where it lies below at both, Infinity where it never does. */
export function crossingOf(short: Loss, long: Loss): number {
  if (short.loss <= 0 && long.loss <= 0) return 0;
  const slope = (long.loss - short.loss) / (long.tokens - short.tokens);
  return slope < 0 ? short.tokens - short.loss / slope : Number.POSITIVE_INFINITY;
}

function densePolicy({ attend, config }: CrossoverParts, arena: Arena, capacity: number): AttentionPolicy {
  const { kvHeads, headDim } = config;
  const splits = attend.splitsFor(capacity, kvHeads);
  const partials = arena.tensor('crossover.partials', 'f32', attend.partialsShape(kvHeads, splits));
  return denseAttention({ attend, partials, kvHeads, headDim, splits });
}

/** Keys that differ, so that their signatures do; what values are changes no time. */
async function scratchCache(
  arena: Arena,
  { kvHeads, headDim }: ModelConfig,
  layers: number,
  capacity: number,
): Promise<CachedLayers> {
  const { gpu } = arena;
  const shape = [kvHeads, capacity, headDim];
  const bytes = layers * kvHeads * capacity * rowBytes(headDim);
  const made = await allocating(gpu, 'a cache to time attention on', bytes, () =>
    Array.from(
      { length: layers },
      (_, index): LayerCache => ({
        key: arena.tensor(`crossover[${index}].key`, 'f16-packed', shape),
        value: arena.tensor(`crossover[${index}].value`, 'f16-packed', shape),
      }),
    ),
  );
  const halves = randomHalves(Math.min(2 ** 18, (kvHeads * capacity * headDim) / 2));
  for (const { key } of made) {
    for (let at = 0; at < key.buffer.size; at += halves.byteLength) {
      const words = Math.min(halves.length, (key.buffer.size - at) / 4);
      gpu.device.queue.writeBuffer(key.buffer, at, halves, 0, words);
    }
  }
  return { capacity, layer: (index) => made[index]! };
}

/** Words of two halves each, of either sign and between 1/8 and 2 (xorshift: Marsaglia 2003). */
function randomHalves(words: number): Uint32Array<ArrayBuffer> {
  let state = 0x9e3779b9;
  return Uint32Array.from({ length: words }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state & 0x8fff8fff) | 0x30003000) >>> 0;
  });
}

/** Milliseconds per run of the list. By slope, so that submit and wait fall out; a list that takes long is run once, as
 *  they then hardly count. */
async function timeList(gpu: Gpu, list: readonly Dispatch[]): Promise<number> {
  await timeRuns(gpu, list, 1);
  const once = Math.min(await timeRuns(gpu, list, 1), await timeRuns(gpu, list, 1));
  if (once > budgetMs / 4) return once;
  const wanted = Math.ceil(budgetMs / rounds / Math.max(once, 0.01));
  const runs = Math.max(4, Math.min(wanted, Math.floor(mostDispatches / list.length)));
  const slopes: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const one = await timeRuns(gpu, list, 1);
    slopes.push(((await timeRuns(gpu, list, runs)) - one) / (runs - 1));
  }
  return slopes.sort((a, b) => a - b)[(rounds - 1) / 2]!;
}

async function timeRuns(gpu: Gpu, list: readonly Dispatch[], runs: number): Promise<number> {
  const { queue } = gpu.device;
  const encoder = gpu.device.createCommandEncoder();
  encodeDispatches(encoder, Array.from({ length: runs }, () => list).flat());
  const commands = encoder.finish();
  await queue.onSubmittedWorkDone();
  const started = performance.now();
  queue.submit([commands]);
  await queue.onSubmittedWorkDone();
  return performance.now() - started;
}
