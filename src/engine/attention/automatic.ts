/** HashAttention that begins by itself, where it is faster than dense attention on the device at hand. */
import type { AttentionOptions, HashAttentionOptions } from '../api.ts';

export function isAutomatic(options: AttentionOptions): options is HashAttentionOptions {
  return options.mode === 'hash' && options.denseBelow === undefined;
}

/** Where sink and window are the whole context, nothing can be gained. */
export function leastCrossover({ sink = 128, window = 128 }: HashAttentionOptions): number {
  return sink + window + 1;
}
