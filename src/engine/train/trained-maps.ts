/** Trained parameters as the file the engine loads: hash_attention.safetensors. */
import { AppError } from '../../errors.ts';
import { halvesFromFloats } from '../../kernels/shared/half.ts';
import { canonicalRope } from '../../model/canonical-rope.ts';
import type { RopeConfig } from '../../model/rope-config.ts';
import { type TensorData, writeSafetensors } from '../../model/write-safetensors.ts';
import { budgetsMetadata } from './layer-budgets.ts';
import { type LayerLayout, stageValues } from './map-layout.ts';
import type { TrainOptions } from './train-options.ts';

export interface TrainedMaps {
  readonly layout: LayerLayout;
  /** f32 [layout.count] of every layer. */
  readonly layers: readonly Float32Array[];
  readonly options: TrainOptions;
  readonly model: string;
  /** What the model ran under. */
  readonly rope: RopeConfig;
  /** Null: the file says nothing of them. */
  readonly layerBudgets: readonly number[] | null;
}

/** Bits are stored in whole words. */
const wordBits = 32;

/** F16, every head's stages stacked; the options and the scales t of all layers stand in the metadata, so that the file
 *  says how it was made and training can begin from it.
 *  @throws AppError "invalid-request" when training has diverged. */
export function writeTrainedMaps({
  layout,
  layers,
  options,
  model,
  rope,
  layerBudgets,
}: TrainedMaps): Uint8Array<ArrayBuffer> {
  const bits = Math.max(options.bits, wordBits);
  const tensors = layers.flatMap((parameters, layer) =>
    (['query', 'key'] as const).flatMap((which) => {
      const { heads, stages } = layout[which];
      return stages.flatMap((stage, i): TensorData[] => {
        const { weight, bias } = stageValues(parameters, heads, stage);
        const { inputs } = stage;
        const isLast = i === stages.length - 1;
        const outputs = isLast ? bits : stage.outputs;
        // bits that no key ever sets count the same for all
        const filler = which === 'key' ? -1 : 0;
        const name = `layers.${layer}.${which}.${i}`;
        const rows = filled(weight, heads, stage.outputs * inputs, outputs * inputs, 0);
        return [
          {
            name: `${name}.weight`,
            dtype: 'F16',
            shape: [heads, outputs, inputs],
            bytes: halves(rows, name),
          },
          {
            ...{ name: `${name}.bias`, dtype: 'F16', shape: [heads, outputs] },
            bytes: halves(filled(bias, heads, stage.outputs, outputs, filler), name),
          },
        ];
      });
    }),
  );
  return writeSafetensors(tensors, {
    format: 'hash-attention',
    version: '1',
    activation: 'silu',
    bits: String(bits),
    sharing: options.sharing,
    score: options.score,
    query_bits: String(options.queryBits),
    model,
    trained_length: String(Math.max(...options.lengths)),
    rope: canonicalRope(rope),
    training: JSON.stringify(options),
    scales: JSON.stringify(layers.map((parameters) => parameters[layout.scaleIndex])),
    ...(layerBudgets ? budgetsMetadata(layerBudgets) : {}),
  });
}

/** Each of `count` blocks of `from` numbers followed by fillers up to `to`. */
function filled(
  values: Float32Array<ArrayBuffer>,
  count: number,
  from: number,
  to: number,
  filler: number,
): Float32Array<ArrayBuffer> {
  if (from === to) return values;
  const out = new Float32Array(count * to).fill(filler);
  for (let i = 0; i < count; i++) out.set(values.subarray(i * from, (i + 1) * from), i * to);
  return out;
}

function halves(values: Float32Array<ArrayBuffer>, name: string): Uint8Array {
  if (!values.every((value) => Math.abs(value) < 65504)) {
    throw new AppError(
      'invalid-request',
      `${name} holds values that are no halves: training has diverged. Train again with a lower rate.`,
    );
  }
  return new Uint8Array(halvesFromFloats(values).buffer);
}
