/** One whole decode step: token → embedding → layers → logits → next token. Built once, replayed per token. */
import type { Arena } from '../../kernels/runtime/arena.ts';
import type { Dispatch } from '../../kernels/runtime/dispatch.ts';
import type { AttentionPolicy } from '../attention/attention-policy.ts';
import type { GpuWeights } from '../load/gpu-weights.ts';
import type { DecodeActivations } from './activations.ts';
import { decodeLayer } from './decode-layer.ts';
import type { KvCache } from './kv-cache.ts';
import type { NetworkKernels } from './network-kernels.ts';

export interface DecodeStepInput {
  readonly arena: Arena;
  readonly kernels: NetworkKernels;
  readonly weights: GpuWeights;
  readonly act: DecodeActivations;
  readonly cache: KvCache;
  /** One policy per layer. */
  readonly policies: readonly AttentionPolicy[];
}

/** From `act.token` to `act.logits`; the sampler's dispatches follow. */
export function decodeStep(input: DecodeStepInput): Dispatch[] {
  const { arena, kernels, weights, act, cache, policies } = input;
  return [
    ...kernels.embed(arena, 'embedding', weights.embedding, {
      tokens: act.token,
      out: act.residual,
      rows: 1,
    }),
    ...weights.layers.flatMap((layer, index) =>
      decodeLayer({ arena, index, kernels, layer, act, cache, policy: policies[index]! }),
    ),
    ...logitsOf(input),
  ];
}

/** From the last residual to the logits: also what follows a prefill. */
export function logitsOf({ arena, kernels, weights, act }: DecodeStepInput): Dispatch[] {
  return kernels.project(arena, 'logits', [weights.head], {
    x: act.residual,
    gain: weights.finalNorm,
    bias: null,
    out: act.logits,
  });
}
