/** A decode step is data: a flat list of dispatches, built once, replayed for every token. */
import type { Gpu } from './gpu.ts';

export type Grid = readonly [x: number, y?: number, z?: number];

export interface Dispatch {
  readonly label: string;
  /** Name of the kernel, for profiles. */
  readonly kernel: string;
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: Grid;
  readonly bytes: number;
}

/** Records the list into one compute pass. */
export function encodeDispatches(
  encoder: GPUCommandEncoder,
  dispatches: readonly Dispatch[],
  timestampWrites?: GPUComputePassTimestampWrites,
): void {
  const pass = encoder.beginComputePass(timestampWrites && { timestampWrites });
  let pipeline: GPUComputePipeline | undefined;
  for (const dispatch of dispatches) {
    if (dispatch.pipeline !== pipeline) {
      pipeline = dispatch.pipeline;
      pass.setPipeline(pipeline);
    }
    pass.setBindGroup(0, dispatch.bindGroup);
    const [x, y, z] = dispatch.workgroups;
    pass.dispatchWorkgroups(x, y ?? 1, z ?? 1);
  }
  pass.end();
}

export function submitDispatches(gpu: Gpu, dispatches: readonly Dispatch[]): void {
  const encoder = gpu.device.createCommandEncoder();
  encodeDispatches(encoder, dispatches);
  gpu.device.queue.submit([encoder.finish()]);
}

/** Spreads `count` workgroups over x and y so that neither exceeds 65535; the kernel reads
 *  `workgroup.y * gridWidth + workgroup.x` (gridWidth = num_workgroups.x) and ignores indices ≥ count. */
export function gridOf(count: number): Grid {
  const limit = 65535;
  if (count <= limit) return [Math.max(count, 1)];
  const rows = Math.ceil(count / limit);
  return [Math.ceil(count / rows), rows];
}
