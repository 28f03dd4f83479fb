/** The default model through the real loop: load, prefill by prompt length, decode by context. */

import { openModelMaps } from '../src/engine/attention/model-hash-maps.ts';
import { GpuTokenEngine } from '../src/engine/gpu-token-engine.ts';
import { loadWeights } from '../src/engine/load/load-weights.ts';
import { openModel } from '../src/engine/load/open-model.ts';
import { partLimit, planWeights } from '../src/engine/load/plan-weights.ts';
import { Network } from '../src/engine/network/network.ts';
import type { ModelSource } from '../src/engine/source/model-source.ts';
import type { TokenRequest } from '../src/engine/token-engine.ts';
import type { Gpu } from '../src/kernels/runtime/gpu.ts';
import { greedyChoices } from '../src/kernels/testing/plain-choices.ts';
import { median } from './timing.ts';

export interface LoadTiming {
  readonly weightBytes: number;
  readonly headersMs: number;
  readonly weightsMs: number;
  readonly weightsBytesPerSecond: number;
  readonly compileMs: number;
}

export interface EngineTiming {
  readonly load: LoadTiming;
  readonly prefill: readonly { tokens: number; tokensPerSecond: number }[];
  readonly decode: readonly { context: number; tokensPerSecond: number }[];
  readonly dispatchesPerToken: number;
}

/** Loads the model with its signature maps, and says how long that took. */
export async function openDefaultNetwork(
  gpu: Gpu,
  source: ModelSource,
): Promise<{ readonly network: Network; readonly load: LoadTiming }> {
  const t0 = performance.now();
  const model = await openModel(source);
  const t1 = performance.now();
  const plan = planWeights({ ...model, weights: 'q4', maxPartBytes: partLimit(gpu.device.limits) });
  const weights = await loadWeights(gpu, source, plan);
  await gpu.device.queue.onSubmittedWorkDone();
  const t2 = performance.now();
  const { config } = model;
  const network = await Network.create({
    gpu,
    config,
    weights,
    rope: config.rope,
    plannedContext: config.trainedContext,
    openHashMaps: () =>
      openModelMaps(gpu, source, config, {
        rope: config.rope,
        contextLength: config.trainedContext,
      }),
  });
  void network.decoder;
  const weightBytes = model.weightFiles.reduce((total, { size }) => total + size, 0);
  const load = {
    weightBytes,
    headersMs: t1 - t0,
    weightsMs: t2 - t1,
    weightsBytesPerSecond: (weightBytes / (t2 - t1)) * 1000,
    compileMs: performance.now() - t2,
  };
  return { network, load };
}

export async function benchEngine(
  gpu: Gpu,
  source: ModelSource,
  sizes: { readonly prefill: readonly number[]; readonly decode: readonly number[]; readonly tokens: number },
): Promise<EngineTiming> {
  const { network, load } = await openDefaultNetwork(gpu, source);
  const engine = new GpuTokenEngine(gpu, network);
  const prefill: { tokens: number; tokensPerSecond: number }[] = [];
  for (const tokens of sizes.prefill) {
    const rates: number[] = [];
    for (let round = 0; round < 4; round++) {
      const { prefillMs } = await timeAnswer(engine, unreadPrompt(tokens, round), 1);
      if (round > 0) rates.push((tokens / prefillMs) * 1000);
    }
    prefill.push({ tokens, tokensPerSecond: median(rates) });
  }
  const decode: { context: number; tokensPerSecond: number }[] = [];
  for (const context of sizes.decode) {
    const rates: number[] = [];
    for (let round = 0; round < 4; round++) {
      const { decodeMs } = await timeAnswer(engine, unreadPrompt(context, round), sizes.tokens);
      if (round > 0) rates.push(((sizes.tokens - 1) / decodeMs) * 1000);
    }
    decode.push({ context, tokensPerSecond: median(rates) });
  }
  const dispatchesPerToken = network.decoder.stepList('greedy').length;
  engine.dispose();
  return { load, prefill, decode, dispatchesPerToken };
}

/** A prompt of its own every time, so that nothing is in the cache. */
function unreadPrompt(tokens: number, seed: number): number[] {
  return Array.from({ length: tokens }, (_, i) => 1000 + ((i * 7919 + seed * 104729 + 13) % 40000));
}

/** Greedily: milliseconds to the first token, and from there to the last. */
async function timeAnswer(
  engine: GpuTokenEngine,
  prompt: readonly number[],
  maxTokens: number,
): Promise<{ prefillMs: number; decodeMs: number }> {
  const request: TokenRequest = {
    prompt,
    maxTokens,
    endTokens: [],
    sampling: greedyChoices,
    topLogprobs: null,
    signal: new AbortController().signal,
  };
  const started = performance.now();
  let first = 0;
  for await (const event of engine.generateTokens(request)) {
    if (event.kind === 'token' && first === 0) first = performance.now();
  }
  return { prefillMs: first - started, decodeMs: performance.now() - first };
}
