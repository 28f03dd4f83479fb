/** What a step's attention amounts to, over all layers: by formula, so that telling costs nothing. */
import type { ModelConfig } from '../../model/config.ts';
import { rowBytes } from '../network/kv-cache.ts';
import type { AttentionPolicy } from './attention-policy.ts';

export interface StepAttention {
  /** Tokens attended to per KV head, averaged over the layers. */
  readonly attendedTokens: number;
  /** Bytes that had to be read, and that dense attention would have had to read. */
  readonly attentionBytes: number;
  readonly denseAttentionBytes: number;
}

/** @param policies one per layer */
export function stepAttention(
  { layers, kvHeads, headDim }: Pick<ModelConfig, 'layers' | 'kvHeads' | 'headDim'>,
  policies: readonly AttentionPolicy[],
  contextTokens: number,
): StepAttention {
  const sum = (of: (policy: AttentionPolicy, layer: number) => number): number =>
    policies.reduce((total, policy, layer) => total + of(policy, layer), 0);
  return {
    attendedTokens: Math.round(sum((policy, layer) => policy.attendedTokens(contextTokens, layer)) / layers),
    attentionBytes: sum((policy, layer) => policy.bytesRead(contextTokens, layer)),
    denseAttentionBytes: layers * contextTokens * kvHeads * rowBytes(headDim),
  };
}
