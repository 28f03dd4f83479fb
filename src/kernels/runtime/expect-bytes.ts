import { invariant } from '../../errors.ts';
import { type BufferSlice, sliceBytes } from './tensor.ts';

/** Refuses a buffer smaller than a kernel will read or write: WebGPU would silently clamp the indices instead. */
export function expectBytes(what: string, slice: BufferSlice, byteLength: number): void {
  const got = sliceBytes(slice);
  invariant(got >= byteLength, `${what} must hold ${byteLength} bytes, got ${got}`);
}
