/** One decoding layer for a chunk of the prompt: the same operations as decode-layer.ts over many rows, where
 *  matrix products dominate and norms and gates are dispatches of their own. */
import type { Arena } from '../../kernels/runtime/arena.ts';
import type { Dispatch } from '../../kernels/runtime/dispatch.ts';
import type { Tensor } from '../../kernels/runtime/tensor.ts';
import type { LayerWeights } from '../load/gpu-weights.ts';
import type { PrefillActivations } from './activations.ts';
import type { KvCache } from './kv-cache.ts';
import type { NetworkKernels } from './network-kernels.ts';

/** Gives dispatches that read a chunk's queries after RoPE: query f32 [rows, qHeads · headDim] of tokens
 *  step.position …, overwritten by the next layer. */
export type QueryObserver = (
  arena: Arena,
  chunk: { readonly index: number; readonly step: Tensor; readonly query: Tensor; readonly rows: number },
) => readonly Dispatch[];

export interface PrefillLayerInput {
  readonly arena: Arena;
  readonly index: number;
  readonly kernels: NetworkKernels;
  readonly layer: LayerWeights;
  readonly act: PrefillActivations;
  readonly cache: KvCache;
  /** Rows of this chunk; at most `act.tokens`. */
  readonly rows: number;
  /** From rotated queries, keys and values appended, to attended values; dense attention unless told. */
  readonly attend?: () => readonly Dispatch[];
  readonly observeQuery?: QueryObserver | undefined;
}

export function prefillLayer({
  arena,
  index,
  kernels,
  layer,
  act,
  cache,
  rows,
  attend,
  observeQuery,
}: PrefillLayerInput): Dispatch[] {
  const label = (name: string): string => `layer[${index}].${name}`;
  const { residual, normed, qkv, query, attended, gateUp, activated, step } = act;
  const { key, value } = cache.layer(index);
  const attendDensely = (): Dispatch[] => [
    kernels.attendRows(arena, label('attention'), {
      step,
      query,
      keyCache: key,
      valueCache: value,
      out: attended,
      rows,
      capacity: cache.capacity,
    }),
  ];
  return [
    kernels.normRows(arena, label('attentionNorm'), {
      x: residual,
      gain: layer.attentionNorm,
      out: normed,
      rows,
    }),
    ...kernels.projectRows(arena, label('qkv'), layer.qkv, {
      x: normed,
      bias: layer.qkvBias,
      out: qkv,
      rows,
    }),
    kernels.ropeAppend(arena, label('query'), {
      step,
      qkv,
      query,
      keyCache: key,
      valueCache: value,
      layer,
      rows,
      capacity: cache.capacity,
    }),
    ...(observeQuery?.(arena, { index, step, query, rows }) ?? []),
    ...(attend ?? attendDensely)(),
    ...kernels.addProductRows(arena, label('attentionOutput'), layer.output, {
      x: attended,
      bias: layer.outputBias,
      out: residual,
      rows,
    }),
    kernels.normRows(arena, label('mlpNorm'), { x: residual, gain: layer.mlpNorm, out: normed, rows }),
    ...kernels.projectRows(arena, label('gateUp'), layer.gateUp, {
      x: normed,
      bias: layer.gateUpBias,
      out: gateUp,
      rows,
    }),
    kernels.gateRows(arena, label('activated'), { gateUp, out: activated, rows }),
    ...kernels.addProductRows(arena, label('mlpOutput'), layer.down, {
      x: activated,
      bias: layer.downBias,
      out: residual,
      rows,
    }),
  ];
}
