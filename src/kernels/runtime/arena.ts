/** Owns the buffers of one lifetime (a model's weights, a session's activations, a dispatch list's uniforms). */
import { AppError } from '../../errors.ts';
import type { Gpu } from './gpu.ts';
import { byteLengthOf, type DType, type Tensor } from './tensor.ts';

/** GPUBufferUsage by value: the constant object is missing in Node. */
export const bufferUsage = {
  mapRead: 0x1,
  copySrc: 0x4,
  copyDst: 0x8,
  uniform: 0x40,
  storage: 0x80,
} as const;

const storageUsage = bufferUsage.storage | bufferUsage.copySrc | bufferUsage.copyDst;

export class Arena {
  readonly gpu: Gpu;
  #buffers: GPUBuffer[] = [];
  readonly #uniforms = new Map<string, GPUBuffer>();
  readonly #placeholders = new Map<string, GPUBuffer>();
  #byteLength = 0;

  constructor(gpu: Gpu) {
    this.gpu = gpu;
  }

  /** Bytes allocated and not yet disposed. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** A storage buffer that can be copied from and to; zero-filled. */
  buffer(label: string, byteLength: number, usage: number = storageUsage): GPUBuffer {
    return this.#create(label, byteLength, usage, false);
  }

  #create(label: string, byteLength: number, usage: number, mappedAtCreation: boolean): GPUBuffer {
    const size = Math.max(16, Math.ceil(byteLength / 16) * 16);
    const limit = this.gpu.device.limits.maxBufferSize;
    if (size > limit) {
      throw new AppError(
        'limit-exceeded',
        `${label} needs a buffer of ${size} bytes; this device allows ${limit}. Choose a smaller model or context.`,
        { details: { byteLength: size, limit } },
      );
    }
    const buffer = this.gpu.device.createBuffer({ label, size, usage, mappedAtCreation });
    this.#buffers.push(buffer);
    this.#byteLength += size;
    return buffer;
  }

  tensor(label: string, dtype: DType, shape: readonly number[]): Tensor {
    return { buffer: this.buffer(label, byteLengthOf(dtype, shape)), label, dtype, shape };
  }

  /** A tensor with its first contents. */
  tensorFrom(
    label: string,
    dtype: DType,
    shape: readonly number[],
    data: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>,
  ): Tensor {
    const tensor = this.tensor(label, dtype, shape);
    this.gpu.device.queue.writeBuffer(tensor.buffer, 0, data);
    return tensor;
  }

  /** Numbers that nobody can write again. Equal ones share a buffer, with the first one's label: layers run their kernels
   *  with the same numbers. */
  uniform(label: string, contents: ArrayBuffer): GPUBuffer {
    const key = new Uint32Array(contents).join();
    const known = this.#uniforms.get(key);
    if (known) return known;
    const buffer = this.#create(label, contents.byteLength, bufferUsage.uniform, true);
    new Uint32Array(buffer.getMappedRange()).set(new Uint32Array(contents));
    buffer.unmap();
    this.#uniforms.set(key, buffer);
    return buffer;
  }

  /** What is bound where a kernel is told to write nothing: 16 bytes, one for each place in a dispatch, since two that may be
   *  written must differ. Dispatches share it: every other buffer of a submission costs the browser time. */
  placeholder(place: string): GPUBuffer {
    const buffer = this.#placeholders.get(place) ?? this.buffer(`nothing as ${place}`, 16);
    this.#placeholders.set(place, buffer);
    return buffer;
  }

  dispose(): void {
    for (const buffer of this.#buffers) buffer.destroy();
    this.#buffers = [];
    this.#uniforms.clear();
    this.#placeholders.clear();
    this.#byteLength = 0;
  }
}
