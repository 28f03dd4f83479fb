import { bufferUsage } from './arena.ts';
import type { Gpu } from './gpu.ts';
import { type BufferSlice, byteLengthOf, type Tensor } from './tensor.ts';

/** Copies bytes back to JavaScript; waits for everything submitted before.
 *  byteLength: a multiple of 4. */
export async function readBytes(gpu: Gpu, slice: BufferSlice, byteLength: number): Promise<ArrayBuffer> {
  const staging = gpu.device.createBuffer({
    label: 'readback',
    size: byteLength,
    usage: bufferUsage.mapRead | bufferUsage.copyDst,
  });
  try {
    const encoder = gpu.device.createCommandEncoder();
    encoder.copyBufferToBuffer(slice.buffer, slice.offset ?? 0, staging, 0, byteLength);
    gpu.device.queue.submit([encoder.finish()]);
    await staging.mapAsync(1); // GPUMapMode.READ: the constant object is missing in Node
    return staging.getMappedRange().slice(0);
  } finally {
    staging.destroy();
  }
}

export async function readF32(gpu: Gpu, tensor: Tensor): Promise<Float32Array<ArrayBuffer>> {
  return new Float32Array(await readBytes(gpu, tensor, byteLengthOf(tensor.dtype, tensor.shape)));
}

export async function readU32(gpu: Gpu, tensor: Tensor): Promise<Uint32Array<ArrayBuffer>> {
  return new Uint32Array(await readBytes(gpu, tensor, byteLengthOf(tensor.dtype, tensor.shape)));
}
