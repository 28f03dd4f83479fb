/** One whole decode step: token → embedding → layers → logits → next token. Built once, replayed per token. */
import type { Arena } from '../../kernels/runtime/arena.ts';
import type { Dispatch } from '../../kernels/runtime/dispatch.ts';
import type { AttentionPolicy } from '../attention/attention-policy.ts';
import type { GpuWeights } from '../load/gpu-weights.ts';
import type { Activation, DecodeActivations } from './activations.ts';
import { decodeLayer } from './decode-layer.ts';
import type { KvCache } from './kv-cache.ts';
import { type AheadInput, aheadOf } from './layer-ahead.ts';
import type { NetworkKernels } from './network-kernels.ts';

export interface DecodeStepInput extends AheadInput {
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
    ...policies.flatMap((policy, index) =>
      decodeLayer({
        ...{ arena, index, kernels, weights, act, cache, policy },
        ahead: aheadOf(input, (index + 1) % policies.length),
      }),
    ),
    ...logitsOf(input, act.layerOutput),
  ];
}

/** From the last residual to the logits: also what follows a prefill.
 *  @param residual packed, where the last layer has just made it */
export function logitsOf(
  { arena, kernels, weights, act }: DecodeStepInput,
  residual: Activation,
): Dispatch[] {
  return kernels.project(arena, 'logits', [weights.head], {
    x: residual,
    gain: weights.finalNorm,
    bias: null,
    out: act.logits,
  });
}
