/** Where a training stood: what resuming needs to end in the same bits as if nothing had happened. */
import { AppError } from '../../errors.ts';
import { parseSafetensorsHeader } from '../../model/safetensors.ts';
import { type TensorData, writeSafetensors } from '../../model/write-safetensors.ts';
import type { TrainOptions } from './train-options.ts';

export interface TrainState {
  /** Steps done. */
  readonly step: number;
  /** Of every layer: parameters f32 [count], Adam's moments f32 [count, 2]. */
  readonly layers: readonly {
    readonly parameters: Float32Array<ArrayBuffer>;
    readonly moments: Float32Array<ArrayBuffer>;
  }[];
}

/** What must be the same when training goes on. */
export interface TrainIdentity {
  readonly options: TrainOptions;
  readonly model: string;
  readonly layers: number;
  /** Parameters per layer. */
  readonly count: number;
}

const format = 'hash-attention-training';

export function writeCheckpoint(
  identity: TrainIdentity,
  { step, layers }: TrainState,
): Uint8Array<ArrayBuffer> {
  const tensor = (name: string, values: Float32Array): TensorData => ({
    ...{ name, dtype: 'F32', shape: [values.length] },
    bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  });
  const tensors = layers.flatMap(({ parameters, moments }, layer) => [
    tensor(`layers.${layer}.parameters`, parameters),
    tensor(`layers.${layer}.moments`, moments),
  ]);
  const { options, model } = identity;
  return writeSafetensors(tensors, {
    format,
    version: '1',
    model,
    step: String(step),
    options: JSON.stringify(options),
  });
}

/** @throws AppError "file-malformed" when the file is no checkpoint; "invalid-request" when it is of another training. */
export function readCheckpoint(
  bytes: Uint8Array<ArrayBuffer>,
  identity: TrainIdentity,
  file = 'checkpoint',
): TrainState {
  const { metadata, entries } = parseSafetensorsHeader(bytes, { file, fileSize: bytes.length });
  const step = Number(metadata.get('step'));
  if (metadata.get('format') !== format || metadata.get('version') !== '1' || !Number.isInteger(step)) {
    throw new AppError(
      'file-malformed',
      `${file}: is no training checkpoint of this version. Start training anew.`,
    );
  }
  const expected = { model: identity.model, options: JSON.stringify(identity.options) };
  for (const [name, value] of Object.entries(expected)) {
    if (metadata.get(name) === value) continue;
    throw new AppError(
      'invalid-request',
      `${file}: was made with ${name} ${metadata.get(name)}, and training is now asked for with ${value}. Use the same, or start anew.`,
    );
  }
  const places = new Map(entries.map((entry) => [entry.name, entry]));
  const values = (name: string, count: number): Float32Array<ArrayBuffer> => {
    const entry = places.get(name);
    if (entry?.dtype !== 'F32' || entry.shape[0] !== count || entry.shape.length !== 1) {
      throw new AppError(
        'file-malformed',
        `${file}: tensor ${name} must be F32 [${count}], got ${entry ? `${entry.dtype} [${entry.shape.join(', ')}]` : 'none'}. Start training anew.`,
      );
    }
    return new Float32Array(bytes.slice(entry.begin, entry.end).buffer);
  };
  const layers = Array.from({ length: identity.layers }, (_, layer) => ({
    parameters: values(`layers.${layer}.parameters`, identity.count),
    moments: values(`layers.${layer}.moments`, 2 * identity.count),
  }));
  return { step, layers };
}
