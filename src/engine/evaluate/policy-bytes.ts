/** What attention reads for one token under a policy, all layers together, by the formulas that decoding reports. */
import type { ModelConfig } from '../../model/config.ts';
import { attendedBytes, hashBytesRead } from '../attention/attention-bytes.ts';
import { rowBytes } from '../network/kv-cache.ts';
import { choicesOf, isSparseLayer, type RowPlan } from './row-policy.ts';

/** plan: null for dense. Oracle and chance are counted by what they attend to, as if choosing were free; a proxy by the
 *  tail that decoding has. */
export function policyBytes(plan: RowPlan | null, config: ModelConfig, contextTokens: number): number {
  const { layers, kvHeads, headDim } = config;
  let bytes = 0;
  for (let layer = 0; layer < layers; layer++) {
    if (!plan || !isSparseLayer(plan, layer)) {
      bytes += contextTokens * kvHeads * rowBytes(headDim);
    } else if (plan.selector.kind === 'hash') {
      const { maps, choices } = plan.selector;
      const own = { ...choices, ...choicesOf(plan, layer) };
      bytes += hashBytesRead({ config, maps, choices: own }, contextTokens, layer);
    } else {
      bytes += attendedBytes(config, choicesOf(plan, layer), contextTokens, kvHeads);
    }
  }
  return bytes;
}
