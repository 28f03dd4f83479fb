/** The few words that change per step and live on the GPU: struct Step in kernels/shared/step.wgsl. */
import { type Arena, bufferUsage } from '../../kernels/runtime/arena.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { Tensor } from '../../kernels/runtime/tensor.ts';

export interface Step {
  /** Tokens already in the cache: the position of the first row processed. */
  readonly position: number;
  /** Rows processed together: 1 in decode, the chunk's tokens in prefill. */
  readonly rows: number;
  /** Tokens sampled so far in this generation. */
  readonly index: number;
}

export function createStepBuffer(arena: Arena, label: string): Tensor {
  const usage = bufferUsage.uniform | bufferUsage.storage | bufferUsage.copyDst | bufferUsage.copySrc;
  return { buffer: arena.buffer(label, 16, usage), label, dtype: 'u32', shape: [4] };
}

export function writeStep(gpu: Gpu, step: Tensor, value: Step): void {
  gpu.device.queue.writeBuffer(step.buffer, 0, Uint32Array.of(value.position, value.rows, value.index, 0));
}
