/** Choosing a token: the sampler's lists over logits shaped like a language model's, many unlikely tokens and a few likely ones. */
import { Arena, bufferUsage } from '../src/kernels/runtime/arena.ts';
import type { Gpu } from '../src/kernels/runtime/gpu.ts';
import { prepareSampler } from '../src/kernels/sample/sampler.ts';
import { packSamplingParams, type SamplingChoices } from '../src/kernels/sample/sampling-params.ts';
import { plainChoices } from '../src/kernels/testing/plain-choices.ts';
import { Random } from '../src/kernels/testing/random.ts';
import { type Timing, timeBySlope } from './timing.ts';

export interface SampleCase {
  readonly name: string;
  readonly vocab: number;
  readonly choices: Partial<SamplingChoices>;
}

/** Time per token; bytes of its logits. */
export async function benchSample(
  gpu: Gpu,
  { vocab, choices }: SampleCase,
): Promise<{ timing: Timing; bytes: number }> {
  const arena = new Arena(gpu);
  const sampler = await prepareSampler(gpu, { vocab, ringSlots: 64 });
  const buffers = sampler.createBuffers(arena);
  const all = { ...plainChoices, seed: 1, ...choices };
  gpu.device.queue.writeBuffer(buffers.params.buffer, 0, packSamplingParams(all, null));
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
  const timing = await timeBySlope(gpu, list);
  arena.dispose();
  return { timing, bytes: 4 * vocab };
}
