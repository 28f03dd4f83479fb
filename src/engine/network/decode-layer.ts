/** One decoding layer for one token, as the list of its dispatches. */
import type { Arena } from '../../kernels/runtime/arena.ts';
import type { Dispatch } from '../../kernels/runtime/dispatch.ts';
import type { AttentionPolicy } from '../attention/attention-policy.ts';
import type { GpuWeights } from '../load/gpu-weights.ts';
import type { DecodeActivations } from './activations.ts';
import type { KvCache } from './kv-cache.ts';
import type { LayerAhead } from './layer-ahead.ts';
import type { NetworkKernels } from './network-kernels.ts';

export interface DecodeLayerInput {
  readonly arena: Arena;
  readonly index: number;
  readonly kernels: NetworkKernels;
  readonly weights: GpuWeights;
  readonly act: DecodeActivations;
  readonly cache: KvCache;
  readonly policy: AttentionPolicy;
  /** Keys and values that the layer after this one reads here and there. */
  readonly ahead?: LayerAhead | undefined;
}

/** residual += output · attend(rope(qkv · norm(residual)));  residual += down · (silu(gate) · up)(norm(residual)).
 *  Norms, biases, gate and residual adds are folded into the products they belong to, and rope where no norm of heads stands between. */
export function decodeLayer({
  arena,
  index,
  kernels,
  weights,
  act,
  cache,
  policy,
  ahead,
}: DecodeLayerInput): Dispatch[] {
  const label = (name: string): string => `layer[${index}].${name}`;
  const { residual, qkv, query, attended, mlpInput, activated, layerOutput, step } = act;
  const layer = weights.layers[index]!;
  const { key, value } = cache.layer(index);
  const attention: readonly Dispatch[] = [
    ...kernels.projectHeads(arena, label('query'), {
      step,
      x: index === 0 ? residual : layerOutput,
      layer,
      qkv,
      query,
      keyCache: key,
      valueCache: value,
      capacity: cache.capacity,
    }),
    ...policy.attend(arena, {
      index,
      step,
      query,
      cache: { key, value },
      capacity: cache.capacity,
      attended,
    }),
    ...kernels.addProduct(arena, label('attentionOutput'), layer.output, {
      x: attended,
      bias: layer.outputBias,
      out: mlpInput,
      nextGain: layer.mlpNorm,
    }),
  ];
  const mlp: readonly Dispatch[] = [
    ...kernels.gatedProduct(arena, label('activated'), layer.gateUp, {
      x: mlpInput,
      gain: layer.mlpNorm,
      bias: layer.gateUpBias,
      gateUp: act.gateUp,
      out: activated,
      ...(ahead ? { ahead: ahead.key } : {}),
    }),
    ...kernels.addProduct(arena, label('mlpOutput'), layer.down, {
      x: activated,
      bias: layer.downBias,
      out: layerOutput,
      nextGain: weights.layers[index + 1]?.attentionNorm ?? weights.finalNorm,
      ...(ahead ? { ahead: ahead.value } : {}),
    }),
  ];
  return [...attention, ...mlp];
}
