/** How long lists of dispatches take on the GPU, one after another. */
import { bufferUsage } from '../../kernels/runtime/arena.ts';
import { type Dispatch, encodeDispatches } from '../../kernels/runtime/dispatch.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';

/** GPUBufferUsage.QUERY_RESOLVE: the constant object is missing in Node. */
const queryResolve = 0x200;

/** Milliseconds of each list. By the GPU's own clock where it has one, in a single submission; else by ours, submit and
 *  wait included: differences of lists are then what can be relied on. Browsers round both clocks to 0.1 ms. */
export async function timeLists(gpu: Gpu, lists: readonly (readonly Dispatch[])[]): Promise<number[]> {
  const timed = gpu.traits.hasTimestamps ? await timeByTimestamps(gpu, lists) : null;
  return timed ?? timeByWaiting(gpu, lists);
}

/** Null where the clock did not go forward: a GPU may give any figure, after a change of its speed for one.
 *  From end to end of passes, as a pass may be said to begin while the one before still runs. */
async function timeByTimestamps(gpu: Gpu, lists: readonly (readonly Dispatch[])[]): Promise<number[] | null> {
  const { device } = gpu;
  const count = lists.length + 1;
  const querySet = device.createQuerySet({ label: 'times', type: 'timestamp', count });
  const make = (usage: number): GPUBuffer => device.createBuffer({ label: 'times', size: 8 * count, usage });
  const resolved = make(queryResolve | bufferUsage.copySrc);
  const staging = make(bufferUsage.mapRead | bufferUsage.copyDst);
  try {
    const encoder = device.createCommandEncoder();
    // the first list once more before all others, so that the device is awake and something has ended
    for (const [endOfPassWriteIndex, list] of [lists[0] ?? [], ...lists].entries()) {
      encodeDispatches(encoder, list, { querySet, endOfPassWriteIndex });
    }
    encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, 8 * count);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(1); // GPUMapMode.READ
    const ends = [...new BigUint64Array(staging.getMappedRange())];
    const times = lists.map((_, i) => Number(ends[i + 1]! - ends[i]!) / 1e6);
    return times.some((time) => time < 0) || times.every((time) => time === 0) ? null : times;
  } finally {
    querySet.destroy();
    resolved.destroy();
    staging.destroy();
  }
}

async function timeByWaiting(gpu: Gpu, lists: readonly (readonly Dispatch[])[]): Promise<number[]> {
  const { queue } = gpu.device;
  const times: number[] = [];
  for (const list of [lists[0] ?? [], ...lists]) {
    const encoder = gpu.device.createCommandEncoder();
    encodeDispatches(encoder, list);
    const commands = encoder.finish();
    const started = performance.now();
    queue.submit([commands]);
    await queue.onSubmittedWorkDone();
    times.push(performance.now() - started);
  }
  return times.slice(1);
}
