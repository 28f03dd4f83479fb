/** From which context on HashAttention decodes faster than dense attention on this device: both are timed at two lengths
 *  with the model's shapes, and the lines through the times are intersected. */
import type { Attend } from '../../kernels/attend/attend.ts';
import { Arena } from '../../kernels/runtime/arena.ts';
import type { Dispatch } from '../../kernels/runtime/dispatch.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { Tensor } from '../../kernels/runtime/tensor.ts';
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
import { timeLists } from './time-lists.ts';

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
/** Most layers timed: enough that their rows are more than caches hold, few enough to be made ready soon. */
const mostLayers = { gpu: 8, cpu: 1 } as const;
/** Milliseconds that a list is repeated for: many times what clocks are rounded to. */
const timedMs = 1.5;
const mostDispatches = 2000;
/** Times everything is measured, unless two agree before. */
const mostMeasurements = 5;
/** By this share of the smaller of two crossovers they may differ. */
const agreement = 0.15;

/** @returns tokens of context; null where it is nowhere within the planned context. Not while other work runs.
 *  @throws AppError "out-of-memory". */
export async function measureCrossover(parts: CrossoverParts): Promise<number | null> {
  const { gpu, config, choices, plannedContext } = parts;
  const kind = gpu.traits.isCpu ? 'cpu' : 'gpu';
  // up to there everything is attended to
  const least = choices.sink + choices.window + 1;
  const limit = Math.min(plannedContext, mostTokens[kind]);
  const room = Math.floor(scratchBytes / (config.kvHeads * rowBytes(config.headDim)));
  const long = Math.min(limit, room);
  const short = Math.max(least, Math.floor(long / 4));
  if (long <= short) return null;
  const most = Math.min(config.layers, mostLayers[kind]);

  const arena = new Arena(gpu);
  const opened: HashAttention[] = [];
  try {
    const scratch = await scratchRows(arena, config, Math.min(room, most * roundUp(long)));
    const words = randomWords(2 ** 14);
    const steps: StepLists[] = [];
    for (const tokens of [short, long]) {
      const layers = layersOf(scratch, config, roundUp(tokens), most);
      const hash = await HashAttention.create({
        ...parts,
        cache: layers,
        config: { ...config, layers: layers.count },
        choices: { ...choices, denseLayers: [] },
      });
      opened.push(hash);
      await hash.catchUp(0);
      for (let layer = 0; layer < layers.count; layer++) fillOver(gpu, hash.signatures(layer), words);
      steps.push(stepLists(parts, arena, layers, hash, tokens));
    }
    const repeats = await repeatsFor(gpu, steps);
    const crossing = await agreedValue(async () => {
      const losses = await timeLosses(gpu, steps, repeats);
      const [atShort, atLong] = [losses[0]! / steps[0]!.layers, losses[1]! / steps[1]!.layers];
      const crossing = crossingOf({ tokens: short, loss: atShort }, { tokens: long, loss: atLong });
      return crossing <= plannedContext ? Math.max(least, crossing) : Number.POSITIVE_INFINITY;
    });
    return crossing <= plannedContext ? Math.ceil(crossing) : null;
  } finally {
    for (const hash of opened) hash.dispose();
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

/** The mean of the first two measurements that agree; where none do, the middle one. */
export async function agreedValue(measure: () => Promise<number>): Promise<number> {
  const values: number[] = [];
  while (values.length < mostMeasurements) {
    const value = await measure();
    const other = values.find(
      (before) => Math.max(before, value) <= (1 + agreement) * Math.min(before, value),
    );
    if (other !== undefined) return (value + other) / 2;
    values.push(value);
  }
  return values.sort((a, b) => a - b)[(mostMeasurements - 1) / 2]!;
}

/** A step of attention at one length over several layers, both ways. */
interface StepLists {
  readonly layers: number;
  readonly dense: readonly Dispatch[];
  readonly sparse: readonly Dispatch[];
}

function stepLists(
  { gpu, attend, config }: CrossoverParts,
  arena: Arena,
  layers: Layers,
  hash: HashAttention,
  tokens: number,
): StepLists {
  const { qHeads, kvHeads, headDim } = config;
  const { capacity } = layers;
  const step = createStepBuffer(arena, 'crossover.step');
  writeStep(gpu, step, { position: tokens - 1, rows: 1, index: 0 });
  const values = Float32Array.from({ length: qHeads * headDim }, (_, i) => Math.sin(i + 1));
  const query = arena.tensorFrom('crossover.query', 'f32', [qHeads * headDim], values);
  const attended = arena.tensor('crossover.attended', 'f32', [qHeads * headDim]);
  const splits = attend.splitsFor(capacity, kvHeads);
  const partials = arena.tensor('crossover.partials', 'f32', attend.partialsShape(kvHeads, splits));
  const listOf = (policy: AttentionPolicy): Dispatch[] =>
    Array.from({ length: layers.count }, (_, index) =>
      policy.attend(arena, { index, step, query, cache: layers.layer(index), capacity, attended }),
    ).flat();
  return {
    layers: layers.count,
    dense: listOf(denseAttention({ attend, partials, kvHeads, headDim, splits })),
    sparse: listOf(hash.policy(arena)),
  };
}

/** How often the lists of each length are to run in a row: as often for dense as for sparse, so that what a pass or a
 *  submission takes by itself falls out of their difference. */
async function repeatsFor(gpu: Gpu, steps: readonly StepLists[]): Promise<number[]> {
  const lists = steps.flatMap(({ dense, sparse }) => [dense, sparse]);
  await timeLists(gpu, lists); // first runs are slow
  const times = await timeLists(gpu, lists);
  return steps.map(({ dense, sparse }, i) => {
    const wanted = Math.ceil((2 * timedMs) / Math.max(times[2 * i]! + times[2 * i + 1]!, 0.05));
    return Math.max(1, Math.min(wanted, Math.floor(mostDispatches / Math.max(dense.length, sparse.length))));
  });
}

/** Milliseconds that a sparse step takes longer than a dense one, at each length. */
async function timeLosses(
  gpu: Gpu,
  steps: readonly StepLists[],
  repeats: readonly number[],
): Promise<number[]> {
  const repeated = (list: readonly Dispatch[], i: number): Dispatch[] =>
    Array.from({ length: repeats[i]! }, () => list).flat();
  const times = await timeLists(
    gpu,
    steps.flatMap(({ dense, sparse }, i) => [repeated(dense, i), repeated(sparse, i)]),
  );
  return steps.map((_, i) => (times[2 * i + 1]! - times[2 * i]!) / repeats[i]!);
}

/** Layers of a cache that lie one after another in the same buffers. */
interface Layers extends CachedLayers {
  readonly count: number;
}

/** Capacities are multiples of this, so that a binding may begin where a layer does. */
const capacityUnit = 128;

function roundUp(tokens: number): number {
  return Math.ceil(tokens / capacityUnit) * capacityUnit;
}

/** Keys and values of `tokens` tokens, all zero: what they are changes no time. */
async function scratchRows(
  arena: Arena,
  { kvHeads, headDim }: ModelConfig,
  tokens: number,
): Promise<LayerCache> {
  const rows = roundUp(tokens);
  const bytes = kvHeads * rows * rowBytes(headDim);
  const shape = [kvHeads, rows, headDim];
  return allocating(arena.gpu, 'a cache to time attention on', bytes, () => ({
    key: arena.tensor('crossover.key', 'f16-packed', shape),
    value: arena.tensor('crossover.value', 'f16-packed', shape),
  }));
}

/** As many layers as there is room for. */
function layersOf(
  scratch: LayerCache,
  { kvHeads, headDim }: ModelConfig,
  capacity: number,
  most: number,
): Layers {
  const shape = [kvHeads, capacity, headDim];
  const size = kvHeads * capacity * headDim * 2;
  const count = Math.min(most, Math.floor(scratch.key.buffer.size / size));
  const part = ({ buffer, label, dtype }: Tensor, index: number): Tensor => ({
    ...{ buffer, label, dtype, shape, offset: index * size, size },
  });
  return {
    count,
    capacity,
    layer: (index) => ({ key: part(scratch.key, index), value: part(scratch.value, index) }),
  };
}

/** The words over and over. */
function fillOver(gpu: Gpu, { buffer }: Tensor, words: Uint32Array<ArrayBuffer>): void {
  for (let at = 0; at < buffer.size; at += words.byteLength) {
    gpu.device.queue.writeBuffer(buffer, at, words, 0, Math.min(words.length, (buffer.size - at) / 4));
  }
}

/** Signatures that differ (xorshift: Marsaglia 2003). */
function randomWords(count: number): Uint32Array<ArrayBuffer> {
  let state = 0x9e3779b9;
  return Uint32Array.from({ length: count }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  });
}
