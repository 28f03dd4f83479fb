/** GPU memory with a meaning: a slice of a buffer, its element type and its sizes. */

export interface BufferSlice {
  readonly buffer: GPUBuffer;
  /** Bytes; a multiple of 256. */
  readonly offset?: number;
  /** Bytes. */
  readonly size?: number;
}

/** Bytes from a slice's start to its end. */
export function sliceBytes({ buffer, offset = 0, size = buffer.size - offset }: BufferSlice): number {
  return size;
}

export type DType = 'f32' | 'u32' | 'f16-packed';

/** `f16-packed`: halves two to a `u32`, first in the low bits; `shape` counts halves. */
export interface Tensor extends BufferSlice {
  readonly label: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

export function byteLengthOf(dtype: DType, shape: readonly number[]): number {
  const count = elementCount(shape);
  return dtype === 'f16-packed' ? Math.ceil(count / 2) * 4 : count * 4;
}
