/** The crossover, found out while weights are on their way and the GPU has little to do; what it times is compiled by
 *  then, too. */
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { HashAttentionOptions } from '../api.ts';
import type { ModelSource } from '../source/model-source.ts';
import type { CrossoverRecord } from './crossover-record.ts';
import { deviceCrossover } from './device-crossover.ts';
import { hashChoices } from './hash-choices.ts';
import type { LearnedMaps } from './learned-maps.ts';
import { openModelMaps, type Running } from './model-hash-maps.ts';

export interface MeasuringParts {
  readonly gpu: Gpu;
  readonly source: ModelSource;
  readonly config: ModelConfig;
  readonly running: Running;
  readonly learned?: LearnedMaps | undefined;
  readonly options: HashAttentionOptions;
  /** Of the load. */
  readonly signal?: AbortSignal | undefined;
  /** Where it is found, and waited for, from then on. */
  readonly crossovers: CrossoverRecord;
}

/** Reads the header of the maps' file, then goes on by itself. Measures nothing where the maps would not be relied on.
 *  @throws AppError as `openModelMaps` and `hashChoices` do; a measurement that fails is made again when it is wanted. */
export async function startMeasuring(parts: MeasuringParts): Promise<void> {
  const { gpu, source, config, running, learned, options, crossovers, signal } = parts;
  const { facts, shape, warning } = await openModelMaps(gpu, source, config, running, { learned, signal });
  if (warning !== null) return;
  const choices = hashChoices(options, facts, config.layers);
  const plannedContext = running.contextLength;
  void deviceCrossover(crossovers, { gpu, config, maps: shape, choices, plannedContext });
}
