/** What the last layer of a network's last step had and did, read back. */
import type { Network } from '../../src/engine/network/network.ts';
import { writeStep } from '../../src/engine/network/step.ts';
import { Arena } from '../../src/kernels/runtime/arena.ts';
import { submitDispatches } from '../../src/kernels/runtime/dispatch.ts';
import type { Gpu } from '../../src/kernels/runtime/gpu.ts';
import { readBytes, readF32, readU32 } from '../../src/kernels/runtime/readback.ts';
import { floatFromHalf } from '../../src/kernels/shared/half.ts';

export interface LayerCache {
  readonly layer: number;
  readonly qHeads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly capacity: number;
  /** [kvHeads, capacity, headDim] */
  readonly keys: Float32Array;
  readonly values: Float32Array;
}

export interface LayerLists {
  /** Tokens in the context, the last one included. */
  readonly length: number;
  readonly sinkEnd: number;
  readonly windowStart: number;
  readonly selected: number;
  readonly lists: readonly (readonly number[])[];
}

export interface LastLayer extends LayerCache, LayerLists {
  /** [qHeads, headDim] */
  readonly query: Float32Array;
  readonly attended: Float32Array;
}

/** @param length tokens in the context after the last step; unless told, those that generation has come to */
export async function readLastLayer(gpu: Gpu, network: Network, length?: number): Promise<LastLayer> {
  const { config, act } = network;
  const { qHeads, headDim, layers } = config;
  const [reached = 0] = await readU32(gpu, act.step);
  return {
    ...(await readLayerCache(gpu, network, layers - 1)),
    ...(await readLayerLists(gpu, network, layers - 1, length ?? reached)),
    query: (await readF32(gpu, act.query)).subarray(0, qHeads * headDim),
    attended: (await readF32(gpu, act.attended)).subarray(0, qHeads * headDim),
  };
}

/** The lists of the last step in the last of its sparse layers: the layers share what they are made from. */
export async function readLayerLists(
  gpu: Gpu,
  network: Network,
  layer: number,
  length: number,
): Promise<LayerLists> {
  const { cache, act, policies } = network;
  const policy = policies[layer]!;
  const arena = new Arena(gpu);
  const ofLayer = { ...act, index: layer, cache: cache.layer(layer), capacity: cache.capacity };
  const selection = policy.selectedTokens?.(arena, ofLayer);
  // the step has moved on; a list that is made on request is that of the step before
  writeStep(gpu, act.step, { position: length - 1, rows: 1, index: 0 });
  submitDispatches(gpu, selection?.dispatches ?? []);
  writeStep(gpu, act.step, { position: length, rows: 1, index: 0 });
  const { sinkEnd, windowStart, selected } = policy.attendedSet(length, layer);
  const [count = 0, listCapacity = 0] = selection?.tokenLists.shape ?? [];
  const entries = selection ? await readU32(gpu, selection.tokenLists) : new Uint32Array();
  arena.dispose();
  const lists = Array.from({ length: count }, (_, list) => [
    ...entries.subarray(list * listCapacity, list * listCapacity + selected),
  ]);
  return { length, sinkEnd, windowStart, selected, lists };
}

/** A layer's keys and values. */
export async function readLayerCache(
  gpu: Gpu,
  { config, cache }: Network,
  layer: number,
): Promise<LayerCache> {
  const { kvHeads, qHeads, headDim } = config;
  const { capacity } = cache;
  const halves = async (side: 'key' | 'value'): Promise<Float32Array> => {
    const bytes = await readBytes(gpu, cache.layer(layer)[side], kvHeads * capacity * headDim * 2);
    return Float32Array.from(new Uint16Array(bytes), floatFromHalf);
  };
  const [keys, values] = [await halves('key'), await halves('value')];
  return { layer, qHeads, kvHeads, headDim, capacity, keys, values };
}
