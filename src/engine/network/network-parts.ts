/** Allocates activations and compiles the kernels of a network. */
import type { Arena } from '../../kernels/runtime/arena.ts';
import { prepareSampler, type Sampler } from '../../kernels/sample/sampler.ts';
import { ropeTable } from '../../model/rope-table.ts';
import { NetworkAttention } from '../attention/network-attention.ts';
import { allocating } from '../memory/allocating.ts';
import { createDecodeActivations, type DecodeActivations } from './activations.ts';
import { packsVectors } from './decode-products.ts';
import type { KvCache } from './kv-cache.ts';
import type { NetworkOptions } from './network.ts';
import { type NetworkKernels, prepareNetworkKernels } from './network-kernels.ts';
import { ringSlots } from './token-readback.ts';

/** What a network is made of beside weights and cache. */
export interface NetworkParts {
  readonly act: DecodeActivations;
  readonly kernels: NetworkKernels;
  readonly attention: NetworkAttention;
  readonly sampler: Sampler;
}

/** @param room tokens that the RoPE table reaches to */
export async function prepareParts(
  { gpu, config, weights, rope, plannedContext, openHashMaps, crossovers, onWithout }: NetworkOptions,
  arena: Arena,
  cache: KvCache,
  room: number,
): Promise<NetworkParts> {
  const table = ropeTable(rope, config.headDim, room);
  const [angles, act] = await allocating(gpu, 'activations and RoPE table', table.byteLength, () => [
    arena.tensorFrom('rope.angles', 'f32', [room, config.headDim / 2, 2], table),
    createDecodeActivations(arena, config, packsVectors(gpu, config, weights)),
  ]);
  const [kernels, attention, sampler] = await Promise.all([
    prepareNetworkKernels(gpu, config, weights, angles),
    NetworkAttention.create({
      ...{ gpu, config, cache, plannedContext, openHashMaps },
      crossovers: crossovers ?? new Map(),
      onWithout: onWithout ?? (() => undefined),
    }),
    prepareSampler(gpu, { vocab: config.vocab, ringSlots }),
  ]);
  return { act, kernels, attention, sampler };
}
