/** What attention reads for one token under a policy, all layers together, by the formulas that decoding reports. */
import { blockTokens } from '../../kernels/shared/token-blocks.ts';
import type { ModelConfig } from '../../model/config.ts';
import { attendedBytes, hashBytesRead } from '../attention/attention-bytes.ts';
import { layerChoices } from '../attention/sparse-choices.ts';
import { rowBytes } from '../network/kv-cache.ts';
import { isSparseLayer, type RowPlan } from './row-policy.ts';

/** plan: null for dense. Oracle and chance are counted by what they attend to, as if choosing were free; a proxy by the
 *  sums of its blocks, as if they were kept. */
export function policyBytes(plan: RowPlan | null, config: ModelConfig, contextTokens: number): number {
  const { layers, kvHeads, headDim } = config;
  let bytes = 0;
  for (let layer = 0; layer < layers; layer++) {
    if (!plan || !isSparseLayer(plan, layer)) {
      bytes += contextTokens * kvHeads * rowBytes(headDim);
      continue;
    }
    const { selector, proxy } = plan;
    const tail = proxy ? ('none' as const) : plan.choices.tail;
    bytes +=
      selector.kind === 'hash'
        ? hashBytesRead({ config, ...selector, choices: { ...selector.choices, tail } }, contextTokens, layer)
        : attendedBytes(config, { ...layerChoices(plan.choices, layer), tail }, contextTokens, kvHeads);
    if (proxy) {
      const blocks = Math.ceil(contextTokens / (proxy.block ?? blockTokens));
      bytes += kvHeads * blocks * 2 * headDim * 4;
    }
  }
  return bytes;
}
