/** From which context on HashAttention decodes faster than dense attention on this device: both are timed at two lengths
 *  with the model's shapes, and the lines through the times are intersected. */
import { type Attend, prepareAttend } from '../../kernels/attend/attend.ts';
import { Arena } from '../../kernels/runtime/arena.ts';
import type { Dispatch } from '../../kernels/runtime/dispatch.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { HashMapsShape } from '../load/gpu-hash-maps.ts';
import { rowBytes } from '../network/kv-cache.ts';
import { createStepBuffer, writeStep } from '../network/step.ts';
import type { AttentionPolicy } from './attention-policy.ts';
import { denseAttention } from './dense.ts';
import { HashAttention } from './hash-attention.ts';
import type { HashChoices } from './hash-choices.ts';
import {
  capacityFor,
  fillOver,
  layersOf,
  randomWords,
  type SyntheticLayers,
  syntheticMaps,
  syntheticRows,
} from './synthetic-layers.ts';
import { timeLists } from './time-lists.ts';

export interface CrossoverParts {
  readonly gpu: Gpu;
  readonly config: ModelConfig;
  /** What the maps are, not what is in them. */
  readonly maps: HashMapsShape;
  readonly choices: HashChoices;
  readonly plannedContext: number;
}

/** Keys and values that steps are timed on: more than caches hold, so that they come from memory as in decoding. */
const scratchBytes = 128 * 2 ** 20;
/** Longest context timed. */
const mostTokens = { gpu: 65536, cpu: 2048 } as const;
/** Most layers timed: enough that their rows are more than caches hold, few enough to be made ready soon. */
const mostLayers = { gpu: 8, cpu: 1 } as const;
/** Milliseconds that a list is repeated for: many times what clocks are rounded to. */
const timedMs = 1;
const mostDispatches = 2000;
/** Runs from which it is seen how many take that long. */
const mostRunsBefore = 8;
/** Times everything is measured, unless two agree before. */
const mostMeasurements = 5;
/** By this share of the smaller of two crossovers they may differ. */
const agreement = 0.15;

/** Other work may run meanwhile where the GPU has a clock of its own, else it should not.
 *  @returns tokens of context; null where it is nowhere within the planned context.
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

  const { headDim, qHeads, kvHeads } = config;
  const attend = await prepareAttend(gpu, { headDim, group: qHeads / kvHeads });
  const arena = new Arena(gpu);
  const opened: { dispose(): void }[] = [arena];
  try {
    const maps = await syntheticMaps(gpu, { ...parts.maps, layers: parts.maps.layers.slice(0, most) });
    opened.push(maps);
    const rows = await syntheticRows(arena, config, Math.min(room, most * capacityFor(long)));
    const words = randomWords(2 ** 14);
    const steps: StepLists[] = [];
    for (const tokens of [short, long]) {
      const layers = layersOf(rows, config, capacityFor(tokens), most);
      const hash = await HashAttention.create({
        ...{ gpu, maps, cache: layers },
        config: { ...config, layers: layers.count },
        // costs follow the number of tokens in a line: the mean budget costs what all layers do on average
        choices: { ...choices, denseLayers: [], layerBudgets: null },
      });
      opened.push(hash);
      await hash.catchUp(0);
      for (let layer = 0; layer < layers.count; layer++) fillOver(gpu, hash.signatures(layer), words);
      steps.push(stepLists(parts, arena, attend, layers, hash, tokens));
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
    for (const each of opened) each.dispose();
  }
}

interface Loss {
  readonly tokens: number;
  readonly loss: number;
}

/** Where the line through two losses falls below zero, at or after 0; Infinity where it never does. */
export function crossingOf(short: Loss, long: Loss): number {
  const slope = (long.loss - short.loss) / (long.tokens - short.tokens);
  if (slope < 0) return Math.max(0, short.tokens - short.loss / slope);
  return long.loss < 0 ? 0 : Number.POSITIVE_INFINITY;
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

/** Steps of attention at one length over several layers. They take turns, so that what one of them reads has left the
 *  caches when its turn comes again: in a decode, all weights are read between two steps. */
interface StepLists {
  readonly layers: number;
  /** Every layer's, twice. */
  readonly dense: readonly Dispatch[];
  /** Every layer's sparse one, and a dense one of the layer before. */
  readonly mixed: readonly Dispatch[];
}

function stepLists(
  { gpu, config }: CrossoverParts,
  arena: Arena,
  attend: Attend,
  layers: SyntheticLayers,
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
  const indices = Array.from({ length: layers.count }, (_, index) => index);
  const stepOf = (policy: AttentionPolicy, index: number): readonly Dispatch[] =>
    policy.attend(arena, { index, step, query, cache: layers.layer(index), capacity, attended });
  const dense = denseAttention({ attend, partials, kvHeads, headDim, splits });
  const denseSteps = indices.map((index) => stepOf(dense, index));
  const sparse = hash.policy(arena);
  return {
    layers: layers.count,
    dense: [...denseSteps, ...denseSteps].flat(),
    mixed: indices.flatMap((index) => [...stepOf(sparse, index), ...denseSteps.at(index - 1)!]),
  };
}

/** How often the lists of each length are to run in a row: one as often as the other, so that what a pass or a submission
 *  takes by itself falls out of their difference. */
async function repeatsFor(gpu: Gpu, steps: readonly StepLists[]): Promise<number[]> {
  const longEnough = (times: readonly number[], most: number): number[] =>
    steps.map(({ dense, mixed }, i) => {
      const wanted = Math.ceil((2 * timedMs) / Math.max(times[2 * i]! + times[2 * i + 1]!, 0.005));
      const affordable = Math.floor(mostDispatches / Math.max(dense.length, mixed.length));
      return Math.max(1, Math.min(wanted, most, affordable));
    });
  const once = steps.map(() => 1);
  // first runs are slow, and short ones lost in the clock's rounding
  const few = longEnough(await timeRepeated(gpu, steps, once), mostRunsBefore);
  const times = await timeRepeated(gpu, steps, few);
  return longEnough(times, Number.POSITIVE_INFINITY);
}

/** Milliseconds that a sparse step takes longer than a dense one, at each length, over all its layers. */
async function timeLosses(
  gpu: Gpu,
  steps: readonly StepLists[],
  repeats: readonly number[],
): Promise<number[]> {
  const times = await timeRepeated(gpu, steps, repeats);
  return steps.map((_, i) => times[2 * i + 1]! - times[2 * i]!);
}

/** Milliseconds of both lists of each length, as the mean of so many runs. */
async function timeRepeated(
  gpu: Gpu,
  steps: readonly StepLists[],
  repeats: readonly number[],
): Promise<number[]> {
  const repeated = (list: readonly Dispatch[], count: number): Dispatch[] =>
    Array.from({ length: count }, () => list).flat();
  const times = await timeLists(
    gpu,
    steps.flatMap(({ dense, mixed }, i) => [repeated(dense, repeats[i]!), repeated(mixed, repeats[i]!)]),
  );
  return times.map((time, i) => time / repeats[Math.floor(i / 2)]!);
}
