/** Times lists of dispatches by slope: many repetitions against few, so that submit and wait fall out. */
import { type Dispatch, encodeDispatches } from '../src/kernels/runtime/dispatch.ts';
import type { Gpu } from '../src/kernels/runtime/gpu.ts';

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

/** Milliseconds from submission to completion of `repeats` runs of the list in one pass. */
export async function timeOnce(gpu: Gpu, dispatches: readonly Dispatch[], repeats: number): Promise<number> {
  const encoder = gpu.device.createCommandEncoder();
  encodeDispatches(encoder, Array.from({ length: repeats }, () => dispatches).flat());
  const commands = encoder.finish();
  await gpu.device.queue.onSubmittedWorkDone();
  const started = performance.now();
  gpu.device.queue.submit([commands]);
  await gpu.device.queue.onSubmittedWorkDone();
  return performance.now() - started;
}

/** Milliseconds per run of the list: median over rounds of (t(many) − t(few)) / (many − few), after a warm-up. */
export async function timeBySlope(
  gpu: Gpu,
  dispatches: readonly Dispatch[],
  { few, many, rounds = 9 }: { few: number; many: number; rounds?: number },
): Promise<number> {
  await timeOnce(gpu, dispatches, few);
  await timeOnce(gpu, dispatches, many);
  const slopes: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const short = await timeOnce(gpu, dispatches, few);
    const long = await timeOnce(gpu, dispatches, many);
    slopes.push((long - short) / (many - few));
  }
  return median(slopes);
}
