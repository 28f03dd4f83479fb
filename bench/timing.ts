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

/** The same with a submission per run, so that the device runs one while the next is being recorded. */
export async function timeSubmissions(
  gpu: Gpu,
  dispatches: readonly Dispatch[],
  repeats: number,
): Promise<number> {
  const commands = Array.from({ length: repeats }, () => {
    const encoder = gpu.device.createCommandEncoder();
    encodeDispatches(encoder, dispatches);
    return encoder.finish();
  });
  await gpu.device.queue.onSubmittedWorkDone();
  const started = performance.now();
  for (const command of commands) gpu.device.queue.submit([command]);
  await gpu.device.queue.onSubmittedWorkDone();
  return performance.now() - started;
}

/** Least difference between many and few repetitions: browsers round their clocks to 0.1 ms. */
const leastMs = 25;
const mostDispatches = 20_000;

/** Rounds that agree this well, as a share of their median, are enough once there are three. */
const smallSpread = 0.02;

/** Milliseconds per run of the list: median over rounds of (t(many) − t(few)) / (many − few), after a warm-up. `many` is
 *  at least five times `few`, and as large as the clock asks for. At most `rounds` rounds, 7 unless told. */
export async function timeBySlope(
  gpu: Gpu,
  dispatches: readonly Dispatch[],
  options: { readonly few?: number; readonly many?: number; readonly rounds?: number } = {},
): Promise<number> {
  const once = await timeOnce(gpu, dispatches, 1);
  const estimate = Math.max((await timeOnce(gpu, dispatches, 9)) - once, 0.01) / 8;
  const affordable = Math.max(2, Math.floor(mostDispatches / dispatches.length));
  const many = Math.min(affordable, Math.max(options.many ?? 5, Math.ceil((1.25 * leastMs) / estimate)));
  const few = Math.max(1, Math.min(options.few ?? many, Math.floor(many / 5)));
  const slopes: number[] = [];
  for (let round = 0; round < (options.rounds ?? 7); round++) {
    const short = await timeOnce(gpu, dispatches, few);
    const long = await timeOnce(gpu, dispatches, many);
    slopes.push((long - short) / (many - few));
    const spread = Math.max(...slopes) - Math.min(...slopes);
    if (slopes.length >= 3 && spread <= smallSpread * median(slopes)) break;
  }
  return median(slopes);
}
