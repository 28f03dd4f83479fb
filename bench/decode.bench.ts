/** Whole decode steps of a synthetic model against what bytes and dispatches cost at least. */
import type { Network } from '../src/engine/network/network.ts';
import { writeStep } from '../src/engine/network/step.ts';
import type { Gpu } from '../src/kernels/runtime/gpu.ts';
import type { Ceiling } from './ceiling.ts';
import { median, timeOnce } from './timing.ts';

export interface DecodeTiming {
  readonly context: number;
  readonly msPerToken: number;
  readonly dispatches: number;
  /** Weights, scales, and the keys and values of the context. */
  readonly bytes: number;
  /** msPerToken over (bytes / B + dispatches · L). */
  readonly overBound: number;
}

export async function benchDecode(
  gpu: Gpu,
  network: Network,
  context: number,
  ceiling: Ceiling,
): Promise<DecodeTiming> {
  const { kvHeads, headDim, layers } = network.config;
  await network.ensureCapacity(Math.min(context + 512, network.plannedContext));
  network.startSampling(
    {
      temperature: 0,
      topK: 0,
      topP: 1,
      minP: 0,
      repetitionPenalty: 1,
      frequencyPenalty: 0,
      presencePenalty: 0,
      logitBias: {},
      seed: 0,
    },
    [],
    [],
    null,
  );
  const list = network.decoder.stepList('greedy');
  const isCpu = gpu.traits.isCpu;
  const [few, many] = isCpu ? [1, 2] : [4, 20];
  const start = (): void => writeStep(gpu, network.act.step, { position: context - 1, rows: 1, index: 0 });
  const slopes: number[] = [];
  for (let round = 0; round < (isCpu ? 2 : 7); round++) {
    start();
    const short = await timeOnce(gpu, list, few);
    start();
    const long = await timeOnce(gpu, list, many);
    if (round > 0) slopes.push((long - short) / (many - few));
  }
  const msPerToken = median(slopes);
  const weightBytes = list
    .filter((dispatch) => dispatch.kernel.startsWith('mat-vec'))
    .reduce((total, dispatch) => total + dispatch.bytes, 0);
  const bytes = weightBytes + layers * 2 * kvHeads * headDim * 2 * context;
  const boundMs = (bytes / ceiling.bytesPerSecond) * 1000 + list.length * ceiling.dispatchMs;
  return { context, msPerToken, dispatches: list.length, bytes, overBound: msPerToken / boundMs };
}
