import { invariant } from '../../errors.ts';
import type { BufferSlice } from './tensor.ts';

/** Refuses a buffer smaller than a kernel will read or write: WebGPU would silently clamp the indices instead. */
export function expectBytes(what: string, slice: BufferSlice, byteLength: number): void {
  const got = slice.size ?? slice.buffer.size - (slice.offset ?? 0);
  invariant(got >= byteLength, `${what} must hold ${byteLength} bytes, got ${got}`);
}
