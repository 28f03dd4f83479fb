/** What the last layer of a network's last step had and did, read back. */
import type { Network } from '../../src/engine/network/network.ts';
import { writeStep } from '../../src/engine/network/step.ts';
import { Arena } from '../../src/kernels/runtime/arena.ts';
import { submitDispatches } from '../../src/kernels/runtime/dispatch.ts';
import type { Gpu } from '../../src/kernels/runtime/gpu.ts';
import { readBytes, readF32, readU32 } from '../../src/kernels/runtime/readback.ts';
import { floatFromHalf } from '../../src/kernels/shared/half.ts';

export interface LastLayer {
  readonly layer: number;
  readonly qHeads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly capacity: number;
  /** Tokens in the context, the last one included. */
  readonly length: number;
  readonly sinkEnd: number;
  readonly windowStart: number;
  readonly selected: number;
  readonly lists: readonly (readonly number[])[];
  /** [qHeads, headDim] */
  readonly query: Float32Array;
  readonly attended: Float32Array;
  /** [kvHeads, capacity, headDim] */
  readonly keys: Float32Array;
  readonly values: Float32Array;
}

export async function readLastLayer(gpu: Gpu, network: Network): Promise<LastLayer> {
  const { config, cache, act, policies } = network;
  const { kvHeads, qHeads, headDim, layers } = config;
  const { capacity } = cache;
  const [length = 0] = await readU32(gpu, act.step);
  const halves = async (side: 'key' | 'value'): Promise<Float32Array> => {
    const bytes = await readBytes(gpu, cache.layer(layers - 1)[side], kvHeads * capacity * headDim * 2);
    return Float32Array.from(new Uint16Array(bytes), floatFromHalf);
  };
  const policy = policies.at(-1)!;
  const arena = new Arena(gpu);
  const layer = { ...act, index: layers - 1, cache: cache.layer(layers - 1), capacity };
  const selection = policy.selectedTokens?.(arena, layer);
  // the step has moved on; a list that is made on request is that of the step before
  writeStep(gpu, act.step, { position: length - 1, rows: 1, index: 0 });
  submitDispatches(gpu, selection?.dispatches ?? []);
  writeStep(gpu, act.step, { position: length, rows: 1, index: 0 });
  const { sinkEnd, windowStart, selected } = policy.attendedSet(length);
  const [count = 0, listCapacity = 0] = selection?.tokenLists.shape ?? [];
  const entries = selection ? await readU32(gpu, selection.tokenLists) : new Uint32Array();
  arena.dispose();
  const lists = Array.from({ length: count }, (_, list) => [
    ...entries.subarray(list * listCapacity, list * listCapacity + selected),
  ]);
  return {
    ...{ layer: layers - 1, qHeads, kvHeads, headDim, capacity },
    ...{ length, sinkEnd, windowStart, selected, lists },
    query: (await readF32(gpu, act.query)).subarray(0, qHeads * headDim),
    attended: (await readF32(gpu, act.attended)).subarray(0, qHeads * headDim),
    keys: await halves('key'),
    values: await halves('value'),
  };
}
