/** Where a layer's parameters lie in one vector: query stages, key stages, then the scale t of its scores. */
import type { ModelConfig } from '../../model/config.ts';
import { SeededRandom } from './seeded-random.ts';
import type { TrainOptions } from './train-options.ts';

/** One linear map, its bias a further column: f32 [heads, outputs, inputs + 1] from `offset` on. */
export interface StageLayout {
  readonly inputs: number;
  readonly outputs: number;
  readonly offset: number;
}

export interface MapLayout {
  readonly heads: number;
  readonly stages: readonly StageLayout[];
}

export interface LayerLayout {
  readonly query: MapLayout;
  readonly key: MapLayout;
  /** Lists of tokens, and query heads of each: score(i) = t · Σ over the list's heads of F_q(q) · tanh(β F_k(kᵢ)). */
  readonly lists: number;
  readonly headsPerList: number;
  readonly scaleIndex: number;
  /** Parameters in all. */
  readonly count: number;
}

export type LayerDimensions = Pick<ModelConfig, 'qHeads' | 'kvHeads' | 'headDim'>;

export function layerLayout(
  { qHeads, kvHeads, headDim }: LayerDimensions,
  { bits, hidden, sharing }: Pick<TrainOptions, 'bits' | 'hidden' | 'sharing'>,
): LayerLayout {
  const widths = [headDim, ...hidden, bits];
  const lists = sharing === 'kv-head' ? kvHeads : qHeads;
  let offset = 0;
  const mapOf = (heads: number): MapLayout => {
    const stages = widths.slice(1).map((outputs, i): StageLayout => {
      const stage = { inputs: widths[i]!, outputs, offset };
      offset += stageSize(heads, stage);
      return stage;
    });
    return { heads, stages };
  };
  const [query, key] = [mapOf(qHeads), mapOf(lists)];
  return { query, key, lists, headsPerList: qHeads / lists, scaleIndex: offset, count: offset + 1 };
}

export function stageSize(heads: number, { inputs, outputs }: StageLayout): number {
  return heads * outputs * (inputs + 1);
}

const initialPurpose = 3;

/** Weights uniform within ±1 / √inputs, biases 0. */
export function initialParameters(
  layout: LayerLayout,
  { seed, firstScale }: Pick<TrainOptions, 'seed' | 'firstScale'>,
  layer: number,
): Float32Array<ArrayBuffer> {
  const random = new SeededRandom(seed, initialPurpose, layer);
  const parameters = new Float32Array(layout.count);
  for (const { heads, stages } of [layout.query, layout.key]) {
    for (const stage of stages) {
      const { inputs, offset } = stage;
      for (let i = 0; i < stageSize(heads, stage); i++) {
        const isBias = i % (inputs + 1) === inputs;
        parameters[offset + i] = isBias ? 0 : (2 * random.next() - 1) / Math.sqrt(inputs);
      }
    }
  }
  parameters[layout.scaleIndex] = firstScale;
  return parameters;
}

/** What `stageValues` reads, into its place. */
export function placeStageValues(
  parameters: Float32Array,
  stage: StageLayout,
  { weight, bias }: { readonly weight: Float32Array; readonly bias: Float32Array },
): void {
  const { inputs, offset } = stage;
  const row = inputs + 1;
  bias.forEach((value, i) => {
    parameters.set(weight.subarray(i * inputs, (i + 1) * inputs), offset + i * row);
    parameters[offset + i * row + inputs] = value;
  });
}

/** One stage's weights [heads, outputs, inputs] and biases [heads, outputs]. */
export function stageValues(
  parameters: Float32Array,
  heads: number,
  stage: StageLayout,
): { readonly weight: Float32Array<ArrayBuffer>; readonly bias: Float32Array<ArrayBuffer> } {
  const { inputs, outputs, offset } = stage;
  const row = inputs + 1;
  const weight = new Float32Array(heads * outputs * inputs);
  const bias = new Float32Array(heads * outputs);
  for (let i = 0; i < bias.length; i++) {
    const begin = offset + i * row;
    weight.set(parameters.subarray(begin, begin + inputs), i * inputs);
    bias[i] = parameters[begin + inputs]!;
  }
  return { weight, bias };
}
