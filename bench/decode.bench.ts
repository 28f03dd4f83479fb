/** Whole decode steps of a synthetic model against what bytes and dispatches cost at least. */
import type { AttentionOptions } from '../src/engine/api.ts';
import type { Network } from '../src/engine/network/network.ts';
import { writeStep } from '../src/engine/network/step.ts';
import type { Gpu } from '../src/kernels/runtime/gpu.ts';
import { greedyChoices } from '../src/kernels/testing/plain-choices.ts';
import { type Ceiling, prepareFill, smallHalves } from './ceiling.ts';
import { median, timeOnce, timeSubmissions } from './timing.ts';

export interface DecodeTiming {
  readonly context: number;
  readonly msPerToken: number;
  /** With a submission per step: what is left where recording overlaps running, as between the engine's batches. */
  readonly msPerTokenBySteps: number;
  readonly dispatches: number;
  /** Weights, scales, and what attention reads: of keys and values, and under HashAttention of maps and signatures. */
  readonly bytes: number;
  /** msPerToken over (bytes / B + dispatches · L). */
  readonly overBound: number;
}

/** In one submission; the cache has room for them. */
const stepsAtMost = 20;

export async function benchDecode(
  gpu: Gpu,
  network: Network,
  context: number,
  ceiling: Ceiling,
  options: {
    readonly attention?: AttentionOptions;
    /** What keys and values are made of; smallHalves unless told. */
    readonly halves?: { readonly mask: number; readonly bits: number };
  } = {},
): Promise<DecodeTiming> {
  await fillCache(gpu, network, context, options.halves ?? smallHalves);
  network.setAttention(options.attention ?? { mode: 'dense' });
  await network.prepareSteps(context - 1, stepsAtMost);
  network.startSampling(greedyChoices, [], [], null);
  const list = network.decoder.stepList('greedy');
  const isCpu = gpu.traits.isCpu;
  const [few, many] = isCpu ? [1, 3] : [4, stepsAtMost];
  const start = (): void => writeStep(gpu, network.act.step, { position: context - 1, rows: 1, index: 0 });
  const slopeOf = async (time: typeof timeOnce, rounds: number): Promise<number> => {
    const slopes: number[] = [];
    for (let round = 0; round < rounds; round++) {
      start();
      const short = await time(gpu, list, few);
      start();
      const long = await time(gpu, list, many);
      if (round > 0) slopes.push((long - short) / (many - few));
    }
    return median(slopes);
  };
  const msPerToken = await slopeOf(timeOnce, isCpu ? 4 : 7);
  const msPerTokenBySteps = await slopeOf(timeSubmissions, 4);
  const weightBytes = list
    .filter((dispatch) => dispatch.kernel.startsWith('mat-vec'))
    .reduce((total, dispatch) => total + dispatch.bytes, 0);
  const attentionBytes = network.policies.map((policy, layer) => policy.bytesRead(context, layer));
  const bytes = attentionBytes.reduce((total, read) => total + read, weightBytes);
  const boundMs = (bytes / ceiling.bytesPerSecond) * 1000 + list.length * ceiling.dispatchMs;
  const overBound = msPerToken / boundMs;
  return { context, msPerToken, msPerTokenBySteps, dispatches: list.length, bytes, overBound };
}

/** Keys and values at random, so that signatures differ and choices scatter. */
async function fillCache(
  gpu: Gpu,
  network: Network,
  context: number,
  halves: { readonly mask: number; readonly bits: number },
): Promise<void> {
  const { cache, config } = network;
  const fill = await prepareFill(gpu);
  network.truncate(0);
  await network.ensureCapacity(context + stepsAtMost);
  for (let layer = 0; layer < config.layers; layer++) {
    const { key, value } = cache.layer(layer);
    fill(key.buffer, 2 * layer + 1, halves);
    fill(value.buffer, 2 * layer + 2, halves);
  }
  cache.append(Array.from({ length: context - 1 }, () => 0));
}
