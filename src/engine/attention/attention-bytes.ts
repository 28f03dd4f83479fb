/** What a step of one layer must read from memory, each byte once, by formula: how sparse attention is compared with
 *  dense without slowing either. */
import { byteLengthOf } from '../../kernels/runtime/tensor.ts';
import { blockTokens } from '../../kernels/shared/token-blocks.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { GpuHashMaps } from '../load/gpu-hash-maps.ts';
import { rowBytes } from '../network/kv-cache.ts';
import type { HashChoices } from './hash-choices.ts';
import { signatureHeads } from './signatures.ts';
import { attendedOf, type LayerChoices, layerChoices } from './sparse-choices.ts';

type Heads = Pick<ModelConfig, 'qHeads' | 'kvHeads' | 'headDim'>;

/** Keys and values that a layer's `lists` lists attend to, and the sums of blocks, from which both kinds of tail are made. */
export function attendedBytes(
  { kvHeads, headDim }: Heads,
  choices: LayerChoices,
  contextTokens: number,
  lists: number,
): number {
  const rows = lists * attendedOf(choices, contextTokens).attended * rowBytes(headDim);
  const blocks = choices.tail === 'none' ? 0 : Math.ceil(contextTokens / blockTokens);
  return rows + kvHeads * blocks * 2 * headDim * 4;
}

/** Of HashAttention: the layer's maps, the candidates' signatures, and what is attended to. */
export function hashBytesRead(
  parts: { readonly config: Heads; readonly maps: GpuHashMaps; readonly choices: HashChoices },
  contextTokens: number,
  layer: number,
): number {
  const { config, maps } = parts;
  const choices = layerChoices(parts.choices, layer);
  const { query, key } = maps.layers[layer]!;
  const tensors = [query.weights, query.biases, key.weights, key.biases];
  const mapBytes = tensors.reduce((sum, { dtype, shape }) => sum + byteLengthOf(dtype, shape), 0);
  const { sinkEnd, windowStart } = attendedOf(choices, contextTokens);
  const signatureBytes = (windowStart - sinkEnd) * signatureHeads(config, maps) * (maps.bits / 8);
  const lists = parts.choices.lists === 'kv-head' ? config.kvHeads : config.qHeads;
  return mapBytes + signatureBytes + attendedBytes(config, choices, contextTokens, lists);
}
