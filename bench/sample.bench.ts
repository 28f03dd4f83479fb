/** The sampler's lists over logits shaped like a language model's: many unlikely tokens and a few likely ones. */
import { Arena, bufferUsage } from '../src/kernels/runtime/arena.ts';
import type { Gpu } from '../src/kernels/runtime/gpu.ts';
import { prepareSampler } from '../src/kernels/sample/sampler.ts';
import { packSamplingParams, type SamplingChoices } from '../src/kernels/sample/sampling-params.ts';
import { plainChoices } from '../src/kernels/testing/plain-choices.ts';
import { Random } from '../src/kernels/testing/random.ts';
import { timeBySlope } from './timing.ts';

export interface SampleCase {
  readonly vocab: number;
  readonly choices: Partial<SamplingChoices>;
  readonly topLogprobs?: number | null;
  readonly variant?: 'workgroup' | 'serial';
}

/** Requests worth timing: greedy, plain, each cut, both, and log-probabilities. */
export const sampleCases: readonly Omit<SampleCase, 'vocab'>[] = [
  { choices: { temperature: 0 } },
  { choices: { temperature: 0 }, topLogprobs: 20 },
  { choices: { temperature: 1 } },
  { choices: { temperature: 1, minP: 0.05 } },
  { choices: { temperature: 1, topK: 40 } },
  { choices: { temperature: 1, topP: 0.9 } },
  { choices: { temperature: 0.7, topK: 40, topP: 0.9 } },
];

/** Milliseconds per step, and for each dispatch alone. */
export async function benchSample(
  gpu: Gpu,
  { vocab, choices, topLogprobs = null, variant }: SampleCase,
): Promise<{ ms: number; dispatches: readonly { readonly label: string; readonly ms: number }[] }> {
  const arena = new Arena(gpu);
  const sampler = await prepareSampler(gpu, { vocab, ringSlots: 64, ...(variant ? { variant } : {}) });
  const buffers = sampler.createBuffers(arena);
  const all = { ...plainChoices, seed: 1, ...choices };
  gpu.device.queue.writeBuffer(buffers.params.buffer, 0, packSamplingParams(all, topLogprobs));
  const random = new Random(1);
  const logits = random.normals(vocab, 2).map((logit) => (random.next() < 2e-4 ? logit + 10 : logit));
  const stepUsage = bufferUsage.uniform | bufferUsage.storage | bufferUsage.copyDst;
  const bindings = {
    logits: arena.tensorFrom('logits', 'f32', [vocab], logits),
    tokens: arena.tensor('tokens', 'u32', [1]),
    step: { buffer: arena.buffer('step', 16, stepUsage) },
  };
  const list =
    all.temperature === 0
      ? sampler.greedyList(arena, bindings, buffers)
      : sampler.sampledList(arena, bindings, buffers);
  const ms = await timeBySlope(gpu, list, { few: 10, many: 60 });
  const dispatches = [];
  for (const dispatch of list) {
    dispatches.push({ label: dispatch.label, ms: await timeBySlope(gpu, [dispatch], { few: 10, many: 60 }) });
  }
  arena.dispose();
  return { ms, dispatches };
}
