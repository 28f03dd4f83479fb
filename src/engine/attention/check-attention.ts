/** Attention options as callers give them, refused where they make no sense on a model of `layers` layers. */

import type { AttentionOptions } from '../api.ts';
import { loadPart } from '../load-part.ts';

/** @throws AppError "invalid-request" naming the option. */
export async function checkAttention(options: AttentionOptions, layers: number): Promise<void> {
  if (options.mode === 'dense') return;
  const { checkSparseOptions } = await loadPart(import('../on-demand.ts'));
  checkSparseOptions(options, layers);
}
