/** One device per test file; any WebGPU error fails the test that caused it. */
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { type Gpu, type OpenGpuOptions, openGpu } from '../runtime/gpu.ts';
import { onHardware } from './on-hardware.ts';

/** In Node, Dawn on the machine's Vulkan driver; in a browser, its own. Fails, never skips, without an adapter. */
export async function openTestGpu(options: OpenGpuOptions = {}): Promise<Gpu> {
  return openGpu({ gpu: await systemGpu(), ...options });
}

async function systemGpu(): Promise<GPU> {
  if (typeof (globalThis as { document?: unknown }).document !== 'undefined') return navigator.gpu;
  const { create } = await import('webgpu');
  // Dawn's objects do not keep their instance alive, and once it is collected the process crashes: one for all.
  const kept = globalThis as { dawn?: GPU };
  kept.dawn ??= create(['backend=vulkan']);
  return kept.dawn;
}

/** A device with every feature, but WebGPU's default limits. */
export async function openLimitedTestGpu(): Promise<Gpu> {
  const gpu = await systemGpu();
  const defaults: Partial<Record<keyof GPUSupportedLimits, number>> = {
    maxBufferSize: 2 ** 28,
    maxStorageBufferBindingSize: 2 ** 27,
    maxStorageBuffersPerShaderStage: 8,
    maxComputeWorkgroupStorageSize: 2 ** 14,
  };
  const requestAdapter = async (wish?: GPURequestAdapterOptions) => {
    const adapter = await gpu.requestAdapter(wish);
    if (!adapter) return null;
    const { features, info } = adapter;
    return { features, info, limits: defaults, requestDevice: adapter.requestDevice.bind(adapter) };
  };
  const { wgslLanguageFeatures } = gpu;
  return openGpu({ gpu: { wgslLanguageFeatures, requestAdapter } as unknown as GPU });
}

/** `npm run test:gpu` asks for a graphics card: a CPU adapter in its place would let everything pass. */
function expectWantedDevice(gpu: Gpu): void {
  if (onHardware && gpu.traits.isCpu) {
    throw new Error(`the tests ask for a graphics card, and got ${gpu.traits.description}`);
  }
}

export function withGpu(options: OpenGpuOptions = {}): () => Gpu {
  let gpu: Gpu | undefined;
  const errors: string[] = [];
  beforeAll(async () => {
    gpu = await openTestGpu(options);
    expectWantedDevice(gpu);
    gpu.device.addEventListener('uncapturederror', (event) => errors.push(event.error.message));
  });
  afterEach(async () => {
    await gpu?.device.queue.onSubmittedWorkDone();
    expect(errors.splice(0), 'WebGPU errors during the test').toEqual([]);
  });
  afterAll(() => gpu?.dispose());
  return () => {
    if (!gpu) throw new Error('the GPU is opened before the tests run');
    return gpu;
  };
}
