/** Memory that all layers' training steps use in turn. */
import type { Arena } from '../../kernels/runtime/arena.ts';
import type { Tensor } from '../../kernels/runtime/tensor.ts';
import type { LayerDimensions, LayerLayout } from './map-layout.ts';
import { createMapScratch, type MapScratch } from './map-pass.ts';
import type { TrainOptions } from './train-options.ts';

/** Tokens summed into one part of a query's slope. */
export const tokensPerSplit = 512;

/** Bytes that one matrix of queries by tokens may take; lists are worked on a few at a time where more are needed. */
export const matrixBytes = 128 * 2 ** 20;

export interface TrainScratch {
  /** f32 [kvHeads, tokens, headDim] */
  readonly keys: Tensor;
  readonly query: MapScratch;
  readonly key: MapScratch;
  /** tanh or sign of the query maps' values, f32 [qHeads, positions, bits]. */
  readonly queryValues: Tensor;
  /** Summed over a list's heads, and the slopes by them: f32 [lists, positions, bits]. */
  readonly sums: Tensor;
  readonly sumSlopes: Tensor;
  readonly sumSlopeParts: Tensor;
  /** tanh or sign of the key maps' values, and the slopes by them: f32 [lists, tokens, bits]. */
  readonly signs: Tensor;
  readonly signSlopes: Tensor;
  readonly kvHeadsAtOnce: number;
  /** q · k, f32 [query heads at once, positions, tokens]. */
  readonly products: Tensor;
  /** f32 [lists at once, positions, tokens] */
  readonly targets: Tensor;
  readonly scores: Tensor;
  /** f32 [2, resultRows]: losses and slopes by t of [lists, positions], filled up to whole binding offsets. */
  readonly results: Tensor;
  readonly resultRows: number;
  /** f32 [layout.count] */
  readonly gradients: Tensor;
  /** f32 [layers] */
  readonly losses: Tensor;
}

export function createTrainScratch(
  arena: Arena,
  { qHeads, kvHeads, headDim }: LayerDimensions,
  layout: LayerLayout,
  options: TrainOptions,
  layers: number,
): TrainScratch {
  const { positions, bits, lengths } = options;
  const { lists, count } = layout;
  const tokens = Math.max(...lengths);
  const group = qHeads / kvHeads;
  const limit = Math.min(matrixBytes, arena.gpu.device.limits.maxStorageBufferBindingSize);
  const kvHeadsAtOnce = Math.min(kvHeads, Math.max(1, Math.floor(limit / (4 * group * positions * tokens))));
  const listsAtOnce = kvHeadsAtOnce * (lists / kvHeads);
  const resultRows = Math.ceil((lists * positions) / 64) * 64;
  const tensor = (name: string, ...shape: number[]): Tensor => arena.tensor(`train.${name}`, 'f32', shape);
  return {
    keys: tensor('keys', kvHeads, tokens, headDim),
    query: createMapScratch(arena, 'train.query', layout.query, positions),
    key: createMapScratch(arena, 'train.key', layout.key, tokens),
    queryValues: tensor('queryValues', qHeads, positions, bits),
    sums: tensor('sums', lists, positions, bits),
    sumSlopes: tensor('sumSlopes', lists, positions, bits),
    sumSlopeParts: tensor('sumSlopeParts', Math.ceil(tokens / tokensPerSplit), lists, positions, bits),
    signs: tensor('signs', lists, tokens, bits),
    signSlopes: tensor('signSlopes', lists, tokens, bits),
    kvHeadsAtOnce,
    products: tensor('products', kvHeadsAtOnce * group, positions, tokens),
    targets: tensor('targets', listsAtOnce, positions, tokens),
    scores: tensor('scores', listsAtOnce, positions, tokens),
    results: tensor('results', 2, resultRows),
    resultRows,
    gradients: tensor('gradients', count),
    losses: tensor('losses', layers),
  };
}
