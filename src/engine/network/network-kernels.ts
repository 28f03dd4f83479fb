/** The kernels one network needs, compiled for its shapes, in the network's own words. Everything slow (compiling)
 *  happens in `prepareNetworkKernels`; the functions returned only build dispatches. */
import { prepareEmbed } from '../../kernels/embed/embed.ts';
import { prepareRopeAppend } from '../../kernels/rope-append/rope-append.ts';
import type { Arena } from '../../kernels/runtime/arena.ts';
import type { Dispatch } from '../../kernels/runtime/dispatch.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { Matrix } from '../../kernels/runtime/matrix.ts';
import type { Tensor } from '../../kernels/runtime/tensor.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { GpuWeights, LayerWeights } from '../load/gpu-weights.ts';
import type { Activation } from './activations.ts';
import { headsByProducts, headsByRopeAppend } from './decode-heads.ts';
import { type DecodeKernels, prepareDecodeKernels } from './decode-kernels.ts';
import { prepareDecodeProducts, rotatesHeads } from './decode-products.ts';
import { type PrefillKernels, preparePrefillKernels } from './prefill-kernels.ts';

export interface ProductArgs<V extends Tensor> {
  readonly x: V;
  readonly bias: Tensor | null;
  readonly out: V;
}

/** Rotated queries, and the cache that keys and values go to. */
export interface HeadsArgs {
  readonly step: Tensor;
  readonly query: Tensor;
  readonly keyCache: Tensor;
  readonly valueCache: Tensor;
  readonly capacity: number;
}

export interface NetworkKernels extends DecodeKernels, PrefillKernels {
  embed(
    arena: Arena,
    label: string,
    embedding: Matrix,
    args: { readonly tokens: Tensor; readonly out: Tensor; readonly rows: number },
  ): Dispatch[];
  /** One token's heads: query = rope(W · norm(x) + bias) of its query rows; keys, rotated likewise, and values are appended to
   *  the cache. */
  projectHeads(
    arena: Arena,
    label: string,
    args: HeadsArgs & { readonly x: Activation; readonly layer: LayerWeights; readonly qkv: Tensor },
  ): Dispatch[];
  /** The same from products in `qkv`, of one token or many. */
  ropeAppend(
    arena: Arena,
    label: string,
    args: HeadsArgs & { readonly qkv: Tensor; readonly layer: LayerWeights; readonly rows: number },
  ): Dispatch;
}

/** @param angles cos and sin, f32 [plannedContext or more, headDim / 2, 2] */
export async function prepareNetworkKernels(
  gpu: Gpu,
  config: ModelConfig,
  weights: GpuWeights,
  angles: Tensor,
): Promise<NetworkKernels> {
  const { qHeads, kvHeads, headDim, normEps: eps } = config;
  const [embed, append, products, prefill] = await Promise.all([
    prepareEmbed(gpu, weights.embedding.format),
    prepareRopeAppend(gpu, { qkNorm: config.hasQkNorm }),
    prepareDecodeProducts(gpu, config, weights),
    preparePrefillKernels(gpu, config, weights),
  ]);
  const decode = await prepareDecodeKernels(gpu, config, products);
  const ropeAppend: NetworkKernels['ropeAppend'] = (arena, label, { layer, ...args }) =>
    append(arena, {
      ...{ label, ...args, angles, qHeads, kvHeads, headDim, eps },
      ...(layer.queryNorm && layer.keyNorm ? { queryNorm: layer.queryNorm, keyNorm: layer.keyNorm } : {}),
    });
  return {
    ...decode,
    ...prefill,
    embed: (arena, label, matrix, args) => embed(arena, { label, matrix, ...args }),
    ropeAppend,
    projectHeads: rotatesHeads(gpu, config, weights)
      ? headsByProducts(config, angles, products)
      : headsByRopeAppend(decode.project, ropeAppend),
  };
}
