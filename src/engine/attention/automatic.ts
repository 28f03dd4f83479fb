/** HashAttention that begins by itself, where it is faster than dense attention on the device at hand. */
import type { GpuTraits } from '../../kernels/runtime/gpu.ts';
import type { AttentionOptions, HashAttentionOptions } from '../api.ts';

export function isAutomatic(options: AttentionOptions): options is HashAttentionOptions {
  return options.mode === 'hash' && options.denseBelow === undefined;
}

/** Where sink and window are the whole context, nothing can be gained. */
export function leastCrossover({ sink = 128, window = 128 }: HashAttentionOptions): number {
  return sink + window + 1;
}

/** Steps from `position` on whose context is shorter than `tokens`; below 1 where there are none. */
export function stepsBefore(tokens: number, position: number): number {
  return tokens - 1 - position;
}

/** Whether it can be found out beside other work: not where the GPU is a CPU, which has enough to do, nor where it has no clock
 *  of its own, by which other work does not count. */
export function isMeasuredBeside({ isCpu, hasTimestamps }: GpuTraits): boolean {
  return hasTimestamps && !isCpu;
}
