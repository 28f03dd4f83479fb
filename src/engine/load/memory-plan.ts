/** What a model will take on a device, and what stands in the way, before any weight is downloaded. */
import { AppError } from '../../errors.ts';
import type { ModelConfig } from '../../model/config.ts';
import { extendContext } from '../../model/rope-config.ts';
import type { WeightManifest } from '../../model/weight-manifest.ts';
import type { DeviceSummary, MemoryPlan } from '../api.ts';
import { type HashSizes, hashBytesOf } from './hash-sizes.ts';
import { describeWeights, type WeightPlan, weightBytesOf } from './weight-plan.ts';

export interface MemoryPlanInput {
  readonly config: ModelConfig;
  readonly manifest: WeightManifest;
  readonly weights: WeightPlan;
  /** Sizes of the weight files together. */
  readonly downloadBytes: number;
  readonly licence: string | null;
  readonly device: DeviceSummary;
  /** Tokens; `defaultContext` unless told. */
  readonly contextLength?: number | undefined;
  readonly extendContext?: 'yarn' | undefined;
  readonly hashSizes: HashSizes;
  /** Activations and partial results, as their owner counts them. */
  readonly scratchBytes: number;
}

/** @throws AppError "invalid-request" when the context length is no positive integer. */
export function planMemory(input: MemoryPlanInput): MemoryPlan {
  const { config, weights, device, scratchBytes } = input;
  const contextLength = input.contextLength ?? defaultContext(config);
  if (!Number.isSafeInteger(contextLength) || contextLength < 1) {
    throw new AppError('invalid-request', `contextLength must be a positive integer, got ${contextLength}.`);
  }
  const weightBytes = weightBytesOf(weights);
  const kvCacheBytes = contextLength * kvBytesPerToken(config);
  const hashBytes = hashBytesOf(input.hashSizes, config, contextLength);
  const extension = extensionFor(config, contextLength, input.extendContext);
  return {
    modelType: config.modelType,
    parameters: countParameters(input.manifest),
    downloadBytes: input.downloadBytes,
    weightsDescription: describeWeights(weights),
    weightBytes,
    contextLength,
    trainedContext: config.trainedContext,
    contextExtension: extension.method,
    kvCacheBytes,
    hashBytes,
    scratchBytes,
    totalBytes: weightBytes + kvCacheBytes + hashBytes + scratchBytes,
    licence: input.licence,
    device,
    problems: [...extension.problems, ...cacheProblems(config, contextLength, device)],
  };
}

/** The trained context, at most 8192 tokens, and no more than a sliding window lets every layer see. */
export function defaultContext({ trainedContext, slidingWindow }: ModelConfig): number {
  return Math.min(trainedContext, slidingWindow ?? Number.POSITIVE_INFINITY, 8192);
}

/** Keys and values in f16 for every layer and KV head. */
function kvBytesPerToken({ layers, kvHeads, headDim }: ModelConfig): number {
  return layers * 2 * kvHeads * headDim * 2;
}

/** Weights of the network, padding, scales and a tied head's second use not counted. */
function countParameters(manifest: WeightManifest): number {
  const linears = [
    manifest.embedding,
    ...(manifest.head ? [manifest.head] : []),
    ...manifest.layers.flatMap(({ query, key, value, output, gate, up, down }) => [
      query,
      key,
      value,
      output,
      gate,
      up,
      down,
    ]),
  ];
  const inMatrices = linears.reduce((total, { rows, columns, bias }) => {
    return total + rows * columns + (bias ? rows : 0);
  }, 0);
  const norms = manifest.layers.flatMap((layer) => [
    layer.attentionNorm,
    layer.mlpNorm,
    layer.queryNorm,
    layer.keyNorm,
  ]);
  const inNorms = [manifest.finalNorm, ...norms].reduce((total, norm) => total + (norm?.shape[0] ?? 0), 0);
  return inMatrices + inNorms;
}

interface Extension {
  readonly method: MemoryPlan['contextExtension'];
  readonly problems: readonly string[];
}

function extensionFor(config: ModelConfig, contextLength: number, wish: 'yarn' | undefined): Extension {
  const { trainedContext } = config;
  if (contextLength <= trainedContext) return { method: null, problems: [] };
  if (wish === undefined) {
    const problem = `The planned context of ${contextLength} tokens goes beyond the ${trainedContext} the model was trained for. Plan at most ${trainedContext}, or set extendContext: "yarn".`;
    return { method: null, problems: [problem] };
  }
  try {
    const rope = extendContext(config, contextLength);
    return { method: rope.kind === 'yarn' ? { method: 'yarn', factor: rope.factor } : null, problems: [] };
  } catch (error) {
    if (error instanceof AppError) return { method: null, problems: [error.message] };
    throw error;
  }
}

function cacheProblems(config: ModelConfig, contextLength: number, device: DeviceSummary): string[] {
  const { slidingWindow, kvHeads, headDim } = config;
  const problems: string[] = [];
  if (slidingWindow !== null && contextLength > slidingWindow) {
    problems.push(
      `The model attends within a sliding window of ${slidingWindow} tokens; the planned context of ${contextLength} goes beyond it. Plan at most ${slidingWindow}.`,
    );
  }
  // the keys of a layer, in f16, and the rotary angles, in f32, are bound whole; capacities are multiples of four tokens
  const [what, bytesPerToken] =
    kvHeads > 1 ? ['keys of one layer', kvHeads * headDim * 2] : ['rotary angles', headDim * 4];
  const bytes = Math.ceil(contextLength / 4) * 4 * bytesPerToken;
  const limit = Math.min(device.maxBindingBytes, device.maxBufferBytes);
  if (bytes > limit) {
    problems.push(
      `The ${what} take ${bytes} bytes at ${contextLength} tokens; this device binds at most ${limit}. Plan at most ${Math.floor(limit / bytesPerToken / 4) * 4} tokens.`,
    );
  }
  return problems;
}
