/** Whole decode steps of a synthetic model against what bytes and dispatches cost at least. */
import type { AttentionOptions } from '../src/engine/api.ts';
import { GpuTokenEngine } from '../src/engine/gpu-token-engine.ts';
import type { Network } from '../src/engine/network/network.ts';
import { writeStep } from '../src/engine/network/step.ts';
import type { Gpu } from '../src/kernels/runtime/gpu.ts';
import { greedyChoices } from '../src/kernels/testing/plain-choices.ts';
import { boundOf, type Ceiling, prepareFill, smallHalves } from './ceiling.ts';
import { timeAnswer } from './engine.bench.ts';
import { median, slopeOf, type Timing, timeOnce } from './timing.ts';

export interface DecodeTiming {
  readonly context: number;
  /** Per token. */
  readonly timing: Timing;
  /** Milliseconds a token of an answer takes to arrive, by our clock: batches of steps in flight, read back. */
  readonly engineMs: number;
  readonly dispatches: number;
  /** Weights, scales, and what attention reads: of keys and values, and under HashAttention of maps and signatures. */
  readonly bytes: number;
  /** bytes / B + dispatches · L. */
  readonly bound: Timing;
}

/** In one submission. */
const stepsAtMost = 20;
/** Of an answer; the cache has room for as many more. */
const answerTokens = { gpu: 64, cpu: 4 } as const;

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
  const time = (tokens: number): Promise<Timing> => {
    writeStep(gpu, network.act.step, { position: context - 1, rows: 1, index: 0 });
    return timeOnce(gpu, list, tokens);
  };
  const { isCpu } = gpu.traits;
  const [few, many] = isCpu ? [1, 3] : [4, stepsAtMost];
  await time(many); // a warm-up
  const timing = await slopeOf(time, { few, many, rounds: isCpu ? 3 : 6 });
  const weightBytes = list
    .filter((dispatch) => dispatch.kernel.startsWith('mat-vec'))
    .reduce((total, dispatch) => total + dispatch.bytes, 0);
  const attentionBytes = network.policies.map((policy, layer) => policy.bytesRead(context, layer));
  const bytes = attentionBytes.reduce((total, read) => total + read, weightBytes);
  const engineMs = await timeEngine(gpu, network, context);
  const bound = boundOf(ceiling, bytes, list.length);
  return { context, timing, engineMs, dispatches: list.length, bytes, bound };
}

/** All of the prompt but its last token is in the cache already. */
async function timeEngine(gpu: Gpu, network: Network, context: number): Promise<number> {
  const engine = new GpuTokenEngine(gpu, network); // not disposed: the network goes on
  const prompt = Array.from({ length: context }, () => filler);
  const tokens = answerTokens[gpu.traits.isCpu ? 'cpu' : 'gpu'];
  const times: number[] = [];
  for (let round = 0; round < 4; round++) {
    const { decodeMs } = await timeAnswer(engine, prompt, tokens);
    if (round > 0) times.push(decodeMs / (tokens - 1)); // the first round tells the engine how long a step takes
  }
  return median(times);
}

/** The token that the cache says it holds. */
const filler = 0;

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
  await network.ensureCapacity(context + answerTokens.gpu);
  for (let layer = 0; layer < config.layers; layer++) {
    const { key, value } = cache.layer(layer);
    fill(key.buffer, 2 * layer + 1, halves);
    fill(value.buffer, 2 * layer + 2, halves);
  }
  cache.append(Array.from({ length: context - 1 }, () => filler));
}
