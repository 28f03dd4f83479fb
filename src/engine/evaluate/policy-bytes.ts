/** What attention reads for one token under a policy, all layers together, by the formulas that decoding reports. */
import type { ModelConfig } from '../../model/config.ts';
import { attendedBytes, hashBytesRead } from '../attention/attention-bytes.ts';
import { rowBytes } from '../network/kv-cache.ts';
import { isSparseLayer, type RowPlan } from './row-policy.ts';

/** plan: null for dense. Oracle and chance are counted by what they attend to, as if choosing were free. */
export function policyBytes(plan: RowPlan | null, config: ModelConfig, contextTokens: number): number {
  const { layers, kvHeads, headDim } = config;
  let bytes = 0;
  for (let layer = 0; layer < layers; layer++) {
    if (!plan || !isSparseLayer(plan, layer)) {
      bytes += contextTokens * kvHeads * rowBytes(headDim);
    } else if (plan.selector.kind === 'hash') {
      bytes += hashBytesRead({ config, ...plan.selector }, contextTokens, layer);
    } else {
      bytes += attendedBytes(config, plan.choices, contextTokens, kvHeads);
    }
  }
  return bytes;
}
