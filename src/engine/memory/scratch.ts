/** GPU memory beside weights and cache: activations, RoPE table, sampler, partial results. Bytes. */
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { ModelConfig } from '../../model/config.ts';
import { defaultContext } from '../load/memory-plan.ts';
import { prefillRowBytes } from '../network/activations.ts';
import { prefillRows } from '../network/prefill.ts';

/** An upper estimate: prompts at their largest chunk, attention at its most splits. */
export function scratchBytes(gpu: Gpu, config: ModelConfig, contextLength?: number): number {
  const context = contextLength ?? defaultContext(config);
  const prefill = Math.min(prefillRows(gpu, config), context) * prefillRowBytes(config);
  const ropeTable = context * config.headDim * 4;
  // Attention aims at 512 splits of four query heads each; rounding up adds at most one per head.
  const partials = (4 * 512 + config.qHeads) * (config.headDim + 8) * 4;
  const sampler = config.vocab * 16 + 2 ** 20;
  return prefill + ropeTable + partials + sampler;
}
