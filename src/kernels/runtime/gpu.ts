/** Opens a WebGPU device and remembers what it can do. Every kernel is prepared against one `Gpu`. */
import { AppError } from '../../errors.ts';
import { PipelineCache } from './pipeline-cache.ts';

/** How a kernel is written for a class of adapter; each kernel offers 'workgroup' and any of the others.
 *  'workgroup': core WGSL, workgroup memory and barriers. 'subgroup': needs the subgroups feature.
 *  'serial': for adapters that run on the CPU, where a barrier costs in proportion to the invocations that meet: no
 *  barriers, or workgroups of few invocations. May need the subgroups feature, which those adapters have. */
export type KernelVariant = 'workgroup' | 'subgroup' | 'serial';

export interface GpuTraits {
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
  /** The adapter runs on the CPU (SwiftShader, llvmpipe, WARP). */
  readonly isCpu: boolean;
  /** Smallest and largest subgroup the adapter may use; null without the feature. */
  readonly subgroups: { readonly min: number; readonly max: number } | null;
  /** Columns from which 4-bit products by whole numbers are faster than by floats: shorter ones are over before their inputs
   *  are rounded (measured on an H200). null where four products of bytes are not one instruction; browsers imitate them
   *  there, slowly, and do not say where. */
  readonly integerProductsFrom: number | null;
  readonly hasTimestamps: boolean;
}

export interface OpenGpuOptions {
  /** Defaults to `navigator.gpu`; tests in Node hand in Dawn's. */
  readonly gpu?: GPU;
  /** Asks for nothing beyond WebGPU's default limits and no optional feature. */
  readonly baseline?: boolean;
}

const optionalFeatures: readonly GPUFeatureName[] = ['subgroups', 'timestamp-query'];

/** Adapter limits worth raising above the defaults: bigger tensors in one binding, more bindings. */
const raisedLimits = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
] as const;

export class Gpu {
  readonly device: GPUDevice;
  readonly traits: GpuTraits;
  readonly pipelines: PipelineCache;
  /** Settles when the device is gone, for whatever reason, `dispose()` included. */
  readonly lost: Promise<GPUDeviceLostInfo>;

  constructor(device: GPUDevice, traits: GpuTraits) {
    this.device = device;
    this.traits = traits;
    this.pipelines = new PipelineCache(device);
    this.lost = device.lost;
  }

  /** The fastest variant among those a kernel offers that this device can run. */
  chooseVariant<V extends KernelVariant>(offered: readonly V[]): V | 'workgroup' {
    const { isCpu, subgroups } = this.traits;
    if (!subgroups) return 'workgroup';
    const wish: KernelVariant = isCpu ? 'serial' : 'subgroup';
    return offered.find((variant) => variant === wish) ?? 'workgroup';
  }

  dispose(): void {
    this.device.destroy();
  }
}

/** Opens the best adapter there is.
 *  @throws AppError "webgpu-unavailable" when no adapter answers within a few seconds. */
export async function openGpu(options: OpenGpuOptions = {}): Promise<Gpu> {
  const gpu = options.gpu ?? (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu;
  if (!gpu) {
    throw new AppError(
      'webgpu-unavailable',
      'This browser offers no WebGPU (navigator.gpu is missing). Use a current Chrome, Edge or Safari, on https or localhost.',
    );
  }
  const adapter = await requestAdapterPatiently(gpu);
  const baseline = options.baseline ?? false;
  const features = baseline ? [] : optionalFeatures.filter((name) => adapter.features.has(name));
  const requiredLimits: Record<string, number> = {};
  if (!baseline) for (const name of raisedLimits) requiredLimits[name] = adapter.limits[name];
  const device = await adapter.requestDevice({ requiredFeatures: features, requiredLimits, label: 'engine' });
  return new Gpu(device, traitsOf(gpu, adapter, device));
}

/** The first request of a page may answer null while the GPU process starts: ask again for five seconds. */
async function requestAdapterPatiently(gpu: GPU): Promise<GPUAdapter> {
  for (let attempt = 0; attempt < 10; attempt++) {
    for (const wish of [{ powerPreference: 'high-performance' as const }, {}]) {
      const adapter = await gpu.requestAdapter(wish);
      if (adapter) return adapter;
    }
    await new Promise<void>((resolve) => (globalThis as unknown as Timers).setTimeout(resolve, 500));
  }
  throw new AppError(
    'webgpu-unavailable',
    'WebGPU is present but no graphics adapter answered within 5 seconds. Check that hardware acceleration is on (chrome://gpu) and that the driver is up to date.',
  );
}

interface Timers {
  setTimeout(callback: () => void, milliseconds: number): unknown;
}

function traitsOf(gpu: GPU, adapter: GPUAdapter, device: GPUDevice): GpuTraits {
  const info = adapter.info;
  const words = `${info.vendor} ${info.architecture} ${info.device} ${info.description}`.toLowerCase();
  const isCpu = info.isFallbackAdapter === true || /swiftshader|llvmpipe|lavapipe|basic render/.test(words);
  const hasIntegerDot =
    info.vendor !== 'apple' && // Metal has no such instruction
    gpu.wgslLanguageFeatures.has('packed_4x8_integer_dot_product');
  return {
    vendor: info.vendor,
    architecture: info.architecture,
    description: info.description || info.device,
    isCpu,
    subgroups: device.features.has('subgroups')
      ? { min: info.subgroupMinSize ?? 4, max: info.subgroupMaxSize ?? 128 }
      : null,
    integerProductsFrom: isCpu || !hasIntegerDot ? null : 2048,
    hasTimestamps: device.features.has('timestamp-query'),
  };
}
