/** From a layer's input to its heads, one token: queries rotated, keys and values in the cache. */
import type { Tensor } from '../../kernels/runtime/tensor.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { DecodeProducts } from './decode-products.ts';
import type { NetworkKernels } from './network-kernels.ts';
import { stacked } from './stacked.ts';

/** Their products rotate and append by themselves. */
export function headsByProducts(
  { qHeads, kvHeads, headDim, normEps }: ModelConfig,
  angles: Tensor,
  matVecs: DecodeProducts,
): NetworkKernels['projectHeads'] {
  return (arena, label, { layer, x, query, step, keyCache, valueCache, capacity }) =>
    stacked(layer.qkv, (matrix, outOffset) =>
      matVecs(arena, 'heads', {
        ...{ label, matrix, x, outOffset, out: query },
        norm: { gain: layer.attentionNorm, eps: normEps },
        ...(layer.qkvBias ? { bias: layer.qkvBias } : {}),
        heads: { step, angles, keyCache, valueCache, qHeads, kvHeads, headDim, capacity },
      }),
    );
}

/** A dispatch more does it. */
export function headsByRopeAppend(
  project: NetworkKernels['project'],
  ropeAppend: NetworkKernels['ropeAppend'],
): NetworkKernels['projectHeads'] {
  return (arena, label, { x, ...args }) => {
    const { layer, qkv } = args;
    const projected = { x, gain: layer.attentionNorm, bias: layer.qkvBias, out: qkv };
    return [
      ...project(arena, `${label}.projected`, layer.qkv, projected),
      ropeAppend(arena, label, { ...args, rows: 1 }),
    ];
  };
}
