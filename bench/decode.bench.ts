/** Whole decode steps of a synthetic model against what bytes and dispatches cost at least. */
import type { AttentionOptions } from '../src/engine/api.ts';
import { BatchSizer } from '../src/engine/batch-sizer.ts';
import { batchesInFlight } from '../src/engine/gpu-token-engine.ts';
import type { Network } from '../src/engine/network/network.ts';
import { writeStep } from '../src/engine/network/step.ts';
import type { Gpu } from '../src/kernels/runtime/gpu.ts';
import { greedyChoices } from '../src/kernels/testing/plain-choices.ts';
import { boundOf, type Ceiling, prepareFill, smallHalves } from './ceiling.ts';
import { slopeOf, type Timing, timeOnce } from './timing.ts';

export interface DecodeTiming {
  readonly context: number;
  /** Per token. */
  readonly timing: Timing;
  /** Milliseconds from token to token by our clock, submitted and read back as the engine does. */
  readonly engineMs: number;
  readonly dispatches: number;
  /** Weights, scales, and what attention reads: of keys and values, and under HashAttention of maps and signatures. */
  readonly bytes: number;
  /** bytes / B + dispatches · L. */
  readonly bound: Timing;
}

/** In one submission. */
const stepsAtMost = 20;
/** Tokens in batches, of which those after `first` count: the sizes of batches have settled then. */
const timedTokens = { first: 24, last: 88 } as const;
const cpuTokens = { first: 2, last: 6 } as const;

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
  const engineMs = await timeBatches(gpu, network, context);
  const bound = boundOf(ceiling, bytes, list.length);
  return { context, timing, engineMs, dispatches: list.length, bytes, bound };
}

/** Milliseconds a token as the engine submits them: batches of the size it would choose, two in flight, read back. Its own
 *  loop, but for the prompt. */
async function timeBatches(gpu: Gpu, network: Network, context: number): Promise<number> {
  const { first, last } = gpu.traits.isCpu ? cpuTokens : timedTokens;
  const sizer = new BatchSizer();
  const pending: { readonly tokens: number; readonly done: Promise<unknown> }[] = [];
  let submitted = 0;
  let arrived = 0;
  let started = { at: 0, tokens: 0 };
  writeStep(gpu, network.act.step, { position: context - 1, rows: 1, index: 0 });
  while (arrived < last) {
    while (pending.length < batchesInFlight && submitted < last) {
      const most = Math.min(sizer.size, last - submitted);
      const tokens = await network.prepareSteps(context - 1 + submitted, most);
      pending.push({ tokens, done: network.submitSteps('greedy', submitted, tokens) });
      submitted += tokens;
    }
    const { tokens, done } = pending.shift()!;
    await done;
    sizer.finished(tokens);
    arrived += tokens;
    if (started.at === 0 && arrived >= first) started = { at: performance.now(), tokens: arrived };
  }
  return (performance.now() - started.at) / (arrived - started.tokens);
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
  await network.ensureCapacity(context + timedTokens.last);
  for (let layer = 0; layer < config.layers; layer++) {
    const { key, value } = cache.layer(layer);
    fill(key.buffer, 2 * layer + 1, halves);
    fill(value.buffer, 2 * layer + 2, halves);
  }
  cache.append(Array.from({ length: context - 1 }, () => 0));
}
