/** A model of the repository on a test's device: files → weights → network, as the engine does it. */
import type { WeightsOption } from '../../src/engine/api.ts';
import { openModelMaps } from '../../src/engine/attention/model-hash-maps.ts';
import { loadWeights } from '../../src/engine/load/load-weights.ts';
import { openModel } from '../../src/engine/load/open-model.ts';
import { partLimit, planWeights } from '../../src/engine/load/plan-weights.ts';
import type { WeightsChoice } from '../../src/engine/load/weight-formats.ts';
import { Network, type NetworkOptions } from '../../src/engine/network/network.ts';
import type { ModelSource } from '../../src/engine/source/model-source.ts';
import type { Gpu } from '../../src/kernels/runtime/gpu.ts';

export async function openNetwork(
  gpu: Gpu,
  source: ModelSource,
  options: {
    readonly weights?: WeightsOption | WeightsChoice;
    readonly context?: number;
    readonly maxPartBytes?: number;
    /** In place of the model's own maps. */
    readonly openHashMaps?: NetworkOptions['openHashMaps'];
    readonly crossovers?: NetworkOptions['crossovers'];
    readonly onWithout?: NetworkOptions['onWithout'];
  } = {},
): Promise<Network> {
  const model = await openModel(source);
  const { config, manifest, entries } = model;
  const plan = planWeights({
    config,
    manifest,
    entries,
    weights: options.weights ?? 'stored',
    maxPartBytes: options.maxPartBytes ?? partLimit(gpu.device.limits),
  });
  const weights = await loadWeights(gpu, source, plan);
  const plannedContext = options.context ?? Math.min(config.trainedContext, 8192);
  return Network.create({
    gpu,
    config,
    weights,
    rope: config.rope,
    plannedContext,
    openHashMaps:
      options.openHashMaps ??
      (() => openModelMaps(gpu, source, config, { rope: config.rope, contextLength: plannedContext })),
    crossovers: options.crossovers,
    onWithout: options.onWithout,
  });
}
