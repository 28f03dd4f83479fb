/** What the device can do at best: streaming bandwidth B and latency L of a dependent dispatch. */
import { Arena } from '../src/kernels/runtime/arena.ts';
import { defineKernel, prepareKernel } from '../src/kernels/runtime/define-kernel.ts';
import { submitDispatches } from '../src/kernels/runtime/dispatch.ts';
import type { Gpu } from '../src/kernels/runtime/gpu.ts';
import fillSource from './fill-random.wgsl?raw';
import incrementSource from './increment.wgsl?raw';
import streamSource from './stream-read.wgsl?raw';
import { type Timing, timeBySlope } from './timing.ts';

const streamRead = defineKernel({
  name: 'stream-read',
  sources: [streamSource],
  bindings: { x: 'read', out: 'write' },
  uniforms: { vectors: 'u32' },
});
const increment = defineKernel({
  name: 'increment',
  sources: [incrementSource],
  bindings: { out: 'write' },
  uniforms: { amount: 'u32' },
});
const fillRandom = defineKernel({
  name: 'fill-random',
  sources: [fillSource],
  bindings: { out: 'write' },
  uniforms: { words: 'u32', seed: 'u32', mask: 'u32', bits: 'u32' },
});

export interface Ceiling {
  /** Bytes per second of reads from a buffer far larger than any cache. */
  readonly bytesPerSecond: number;
  /** L: of a dispatch that depends on the one before it. */
  readonly dispatch: Timing;
}

export async function measureCeiling(gpu: Gpu): Promise<Ceiling> {
  const arena = new Arena(gpu);
  const isCpu = gpu.traits.isCpu;
  const bytes = isCpu ? 2 ** 24 : Math.min(2 ** 30, gpu.device.limits.maxStorageBufferBindingSize & ~0xffff);
  const x = arena.tensor('stream', 'u32', [bytes / 4]);
  const out = arena.tensor('sink', 'u32', [4]);
  const stream = (await prepareKernel(gpu, streamRead)).dispatch(arena, {
    label: 'stream',
    bindings: { x, out },
    uniforms: { vectors: bytes / 16 },
    workgroups: [isCpu ? 8 : 4096],
    bytes,
  });
  const { gpuMs } = await timeBySlope(
    gpu,
    [stream],
    isCpu ? { few: 2, many: 6, rounds: 3 } : { few: 10, many: 50 },
  );
  const step = (await prepareKernel(gpu, increment)).dispatch(arena, {
    label: 'increment',
    bindings: { out },
    uniforms: { amount: 1 },
    workgroups: [1],
  });
  const dispatch = await timeBySlope(gpu, [step], { few: 100, many: 1100 });
  arena.dispose();
  return { bytesPerSecond: (bytes / gpuMs) * 1000, dispatch };
}

/** The least that work can take: bytes / B + dispatches · L, with the L of the same way of measuring. */
export function boundOf({ bytesPerSecond, dispatch }: Ceiling, bytes: number, dispatches: number): Timing {
  const readMs = (bytes / bytesPerSecond) * 1000;
  return {
    gpuMs: readMs + dispatches * dispatch.gpuMs,
    submittedMs: readMs + dispatches * dispatch.submittedMs,
  };
}

/** Bits of a pair of halves that are random where the pair is ±0.004 to ±0.008. */
export const smallHalves = { mask: 0x83ff83ff, bits: 0x1c001c00 } as const;
/** The same from ±0.5 to ±1: keys whose signatures differ under trained maps, too. */
export const largeHalves = { mask: 0x83ff83ff, bits: 0x38003800 } as const;

/** Fills buffers on the GPU: random words, one word repeated, or words that are random in the masked bits. */
export async function prepareFill(
  gpu: Gpu,
): Promise<
  (
    buffer: GPUBuffer,
    seed: number,
    constant?: number | { readonly mask: number; readonly bits: number },
  ) => void
> {
  const kernel = await prepareKernel(gpu, fillRandom);
  return (buffer, seed, constant) => {
    const { mask, bits } =
      typeof constant === 'number'
        ? { mask: 0, bits: constant }
        : (constant ?? { mask: 0xffffffff, bits: 0 });
    const arena = new Arena(gpu);
    const dispatch = kernel.dispatch(arena, {
      label: 'fill',
      bindings: { out: { buffer } },
      uniforms: { words: buffer.size / 4, seed, mask, bits },
      workgroups: [1024],
    });
    submitDispatches(gpu, [dispatch]);
    arena.dispose();
  };
}
