/** Several tensors read back in one copy and one wait. */
import { bufferUsage } from '../runtime/arena.ts';
import type { Gpu } from '../runtime/gpu.ts';
import { byteLengthOf, type Tensor } from '../runtime/tensor.ts';

export async function readTogether(gpu: Gpu, tensors: readonly Tensor[]): Promise<ArrayBuffer[]> {
  const lengths = tensors.map(({ dtype, shape }) => byteLengthOf(dtype, shape));
  const staging = gpu.device.createBuffer({
    label: 'readback',
    size: lengths.reduce((sum, length) => sum + length, 0),
    usage: bufferUsage.mapRead | bufferUsage.copyDst,
  });
  try {
    const encoder = gpu.device.createCommandEncoder();
    let end = 0;
    const begins = tensors.map(({ buffer, offset }, i) => {
      encoder.copyBufferToBuffer(buffer, offset ?? 0, staging, end, lengths[i]!);
      end += lengths[i]!;
      return end - lengths[i]!;
    });
    gpu.device.queue.submit([encoder.finish()]);
    await staging.mapAsync(1); // GPUMapMode.READ
    const all = staging.getMappedRange();
    return begins.map((begin, i) => all.slice(begin, begin + lengths[i]!));
  } finally {
    staging.destroy();
  }
}
