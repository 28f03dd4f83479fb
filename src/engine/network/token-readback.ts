/** Brings the sampler's records back to JavaScript without holding up the GPU: a small pool of mapped buffers. */
import { bufferUsage } from '../../kernels/runtime/arena.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { Tensor } from '../../kernels/runtime/tensor.ts';
import { parseResultRecord, type ResultRecord, recordBytes } from '../../kernels/sample/result-record.ts';

/** Records the ring holds: as many steps may be in flight. */
export const ringSlots = 64;

export class TokenReadback {
  readonly #gpu: Gpu;
  readonly #all: GPUBuffer[] = [];
  readonly #idle: GPUBuffer[] = [];

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  /** Submits what was encoded, then reads the records of tokens `index` … `index + count − 1` from the ring. A failure is
   *  thrown where they are awaited, which may be long after the device went. */
  submit(encoder: GPUCommandEncoder, results: Tensor, index: number, count: number): Promise<ResultRecord[]> {
    const records = this.#submit(encoder, results, index, count);
    records.catch(() => undefined);
    return records;
  }

  async #submit(
    encoder: GPUCommandEncoder,
    results: Tensor,
    index: number,
    count: number,
  ): Promise<ResultRecord[]> {
    const staging = this.#idle.pop() ?? this.#create();
    encoder.copyBufferToBuffer(results.buffer, 0, staging, 0, ringSlots * recordBytes);
    this.#gpu.device.queue.submit([encoder.finish()]);
    await staging.mapAsync(1); // GPUMapMode.READ: the constant object is missing in Node
    const ring = staging.getMappedRange();
    const records = Array.from({ length: count }, (_, i) =>
      parseResultRecord(ring, ((index + i) % ringSlots) * recordBytes),
    );
    staging.unmap();
    this.#idle.push(staging);
    return records;
  }

  #create(): GPUBuffer {
    const usage = bufferUsage.mapRead | bufferUsage.copyDst;
    const size = ringSlots * recordBytes;
    const buffer = this.#gpu.device.createBuffer({ label: 'token readback', size, usage });
    this.#all.push(buffer);
    return buffer;
  }

  dispose(): void {
    for (const buffer of this.#all) buffer.destroy();
  }
}
