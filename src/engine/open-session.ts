/** Files and device to a plan, and a plan to a running token engine. */

import { AppError } from '../errors.ts';
import { type Gpu, openGpu } from '../kernels/runtime/gpu.ts';
import { extendContext } from '../model/rope-config.ts';
import type { DeviceSummary, EngineOptions, LoadProgress, MemoryPlan } from './api.ts';
import { isAutomatic, isMeasuredBeside } from './attention/automatic.ts';
import type { CrossoverRecord } from './attention/crossover-record.ts';
import type { LearnedMaps } from './attention/learned-maps.ts';
import type { Running } from './attention/model-hash-maps.ts';
import { GpuTokenEngine } from './gpu-token-engine.ts';
import { loadWeights } from './load/load-weights.ts';
import { planMemory } from './load/memory-plan.ts';
import type { OpenedModel } from './load/open-model.ts';
import { partLimit, planWeights } from './load/plan-weights.ts';
import type { WeightPlan } from './load/weight-plan.ts';
import { loadPart } from './load-part.ts';
import { scratchBytes } from './memory/scratch.ts';
import { Network } from './network/network.ts';

export interface SessionPlan {
  readonly memory: MemoryPlan;
  readonly weights: WeightPlan;
}

export interface SessionOptions extends Pick<EngineOptions, 'signal' | 'attention' | 'onStatus'> {
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  /** What an earlier session of the same engine measured. */
  readonly crossovers?: CrossoverRecord;
  readonly learned?: LearnedMaps;
}

/** What loading would take on this device; nothing is downloaded beyond what `model` already holds.
 *  @throws AppError "limit-exceeded" when not even a row of a matrix fits. */
export function planSession(gpu: Gpu, model: OpenedModel, options: EngineOptions): SessionPlan {
  const { config, manifest, entries } = model;
  const { limits } = gpu.device;
  const weights = planWeights({
    config,
    manifest,
    entries,
    weights: options.weights ?? 'q4',
    maxPartBytes: partLimit(limits),
  });
  const memory = planMemory({
    config,
    manifest,
    weights,
    downloadBytes: model.weightFiles.reduce((total, { size }) => total + size, 0),
    licence: model.licence,
    device: deviceSummary(gpu),
    hashSizes: model.hashSizes,
    contextLength: options.contextLength,
    extendContext: options.extendContext,
    scratchBytes: scratchBytes(gpu, config, options.contextLength),
  });
  return { memory, weights };
}

/** Loads the weights and compiles the kernels.
 *  @throws AppError "limit-exceeded" listing the plan's problems; whatever loading throws. */
export async function openSession(
  gpu: Gpu,
  model: OpenedModel,
  plan: SessionPlan,
  options: SessionOptions,
): Promise<GpuTokenEngine> {
  const { problems, contextLength } = plan.memory;
  if (problems.length > 0) {
    throw new AppError('limit-exceeded', `${model.source.name} cannot be loaded: ${problems.join(' ')}`);
  }
  const running = { rope: extendContext(model.config, contextLength), contextLength };
  await measureMeanwhile(gpu, model, running, options);
  const report = progressOf(model, options.onProgress);
  const weights = await loadWeights(gpu, model.source, plan.weights, {
    onProgress: (loadedBytes, totalBytes) => report('weights', loadedBytes, totalBytes),
    signal: options.signal,
  });
  report('compile', 1, 1);
  try {
    const network = await Network.create({
      gpu,
      config: model.config,
      weights,
      rope: running.rope,
      plannedContext: contextLength,
      openHashMaps: async () => {
        const { openModelMaps } = await loadPart(import('./on-demand.ts'));
        try {
          return await openModelMaps(gpu, model.source, model.config, running, { learned: options.learned });
        } finally {
          model.source.close();
        }
      },
      crossovers: options.crossovers,
      onWithout: ({ code, message }) => {
        if (code === 'device-lost') return; // whoever opens the next session says so
        const without = `Attention stays dense for now, as what HashAttention needs cannot be had. ${message}`;
        options.onStatus?.({ kind: 'warning', warning: { code, message: without } });
      },
    });
    return new GpuTokenEngine(gpu, network);
  } catch (error) {
    weights.dispose();
    throw error;
  }
}

/** Where attention begins to be sparse by itself, this device's crossover is measured while weights arrive, if that is possible
 *  beside other work. Faults show themselves where the crossover is wanted. */
async function measureMeanwhile(
  gpu: Gpu,
  { source, config }: OpenedModel,
  running: Running,
  { attention, crossovers, learned, signal }: SessionOptions,
): Promise<void> {
  if (!crossovers || !attention || !isAutomatic(attention) || !isMeasuredBeside(gpu.traits)) return;
  try {
    const { startMeasuring } = await loadPart(import('./on-demand.ts'));
    await startMeasuring({ gpu, source, config, running, learned, options: attention, crossovers, signal });
  } catch {
    // maps that cannot be read make no model unusable
  }
}

/** Opens the device; its errors that nobody waits for are ours and end up on the console of whoever runs the engine. */
export async function openEngineGpu(): Promise<Gpu> {
  const gpu = await openGpu();
  gpu.device.addEventListener('uncapturederror', (event) => {
    console.error(`WebGPU error outside any scope: ${event.error.message}`);
  });
  return gpu;
}

function deviceSummary(gpu: Gpu): DeviceSummary {
  const { traits, device } = gpu;
  return {
    description: traits.description || `${traits.vendor} ${traits.architecture}`.trim(),
    isCpu: traits.isCpu,
    kernelVariant: gpu.chooseVariant(['workgroup', 'subgroup', 'serial']),
    maxBufferBytes: device.limits.maxBufferSize,
    maxBindingBytes: device.limits.maxStorageBufferBindingSize,
  };
}

function progressOf(
  model: OpenedModel,
  onProgress: ((progress: LoadProgress) => void) | undefined,
): (stage: LoadProgress['stage'], loadedBytes: number, totalBytes: number) => void {
  const started = performance.now();
  const storedBefore = model.source.traffic().storageBytes;
  let totals = { loadedBytes: 0, totalBytes: 0 };
  return (stage, loadedBytes, totalBytes) => {
    if (stage === 'weights') totals = { loadedBytes, totalBytes };
    const seconds = (performance.now() - started) / 1000;
    onProgress?.({
      stage,
      ...totals,
      fromStorageBytes: model.source.traffic().storageBytes - storedBefore,
      bytesPerSecond: seconds > 0 ? totals.loadedBytes / seconds : 0,
    });
  };
}
