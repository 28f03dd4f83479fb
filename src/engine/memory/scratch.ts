/** GPU memory beside weights and cache: activations, RoPE tables, sampler, partial results. Bytes. */
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { ModelConfig } from '../../model/config.ts';
import { defaultContext } from '../load/memory-plan.ts';
import { prefillRowBytes } from '../network/activations.ts';
import { prefillRows } from '../network/prefill.ts';

/** An upper estimate: prompts at their largest chunk, attention at its most splits. */
export function scratchBytes(gpu: Gpu, config: ModelConfig, contextLength?: number): number {
  const context = contextLength ?? defaultContext(config);
  const prefill = Math.min(prefillRows(gpu, config), context) * prefillRowBytes(config);
  const ropeTables = context * config.headDim * 4;
  const partials = 128 * config.qHeads * (config.headDim + 4) * 4;
  const sampler = config.vocab * 16 + 2 ** 20;
  return prefill + ropeTables + partials + sampler;
}
