/** Signature maps from `hash_attention.safetensors` to the GPU: read front to back once, one tensor in memory. */
import { AppError, throwIfAborted } from '../../errors.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import { floatFromHalf, halvesFromFloats } from '../../kernels/shared/half.ts';
import { mapRowStride } from '../../kernels/shared/signature-map.ts';
import type { ModelConfig } from '../../model/config.ts';
import { type HashMapStage, type HashMaps, hashMapsFile, parseHashMaps } from '../../model/hash-maps.ts';
import type { TensorEntry } from '../../model/safetensors.ts';
import type { ModelSource } from '../source/model-source.ts';
import { DeviceLoss } from './device-loss.ts';
import {
  allocateHashMaps,
  type GpuHashMaps,
  type GpuSignatureMap,
  type HashMapShape,
  type HashMapsShape,
} from './gpu-hash-maps.ts';
import { notFinite } from './place-tensor.ts';
import { readSafetensorsHeader } from './weight-headers.ts';

interface Options {
  readonly signal?: AbortSignal | undefined;
}

/** Reads and checks the maps' header; null when the model comes without maps.
 *  @throws AppError as `parseSafetensorsHeader`, `parseHashMaps` and the source do. */
export async function openHashMaps(
  source: ModelSource,
  config: ModelConfig,
  { signal }: Options = {},
): Promise<HashMaps | null> {
  const stat = await source.stat(hashMapsFile, { signal });
  if (stat === null) return null;
  const header = await readSafetensorsHeader(source, hashMapsFile, stat.size, signal);
  return parseHashMaps(header, config, hashMapsFile);
}

/** Leaves nothing allocated after an error. Weights of F32 files are rounded to half precision.
 *  @throws AppError "out-of-memory", "limit-exceeded", "device-lost", "aborted", whatever the source throws,
 *  "file-malformed" for values that are not finite, "model-unsupported" for weights beyond half precision. */
export async function loadHashMaps(
  gpu: Gpu,
  source: ModelSource,
  maps: HashMaps,
  options: Options = {},
): Promise<GpuHashMaps> {
  const loss = new DeviceLoss(gpu);
  const loaded = await loss.explain(allocateHashMaps(gpu, hashMapsShape(maps)));
  try {
    const places = maps.layers.flatMap(({ query, key }, layer) => {
      const pair = loaded.layers[layer]!;
      return [...placesOf(query, pair.query), ...placesOf(key, pair.key)];
    });
    await loss.explain(fill(gpu, source, places, loss, options.signal));
    return loaded;
  } catch (error) {
    loaded.dispose();
    throw error;
  }
}

/** What the maps of a file take in GPU memory. */
export function hashMapsShape({ bits, sharing, layers }: HashMaps): HashMapsShape {
  const shapes = layers.map(({ query, key }) => ({ query: shapeOf(query), key: shapeOf(key) }));
  return { bits, sharing, layers: shapes };
}

function shapeOf(stages: readonly HashMapStage[]): HashMapShape {
  const widths = [stages[0]!.inputs, ...stages.map(({ outputs }) => outputs)];
  return { heads: stages[0]!.weight.shape[0]!, widths };
}

/** Where one tensor of the file goes. */
interface Place {
  readonly entry: TensorEntry;
  readonly buffer: GPUBuffer;
  /** Bytes. */
  readonly offset: number;
  /** Length of a row of weights; null for biases, which become f32. */
  readonly inputs: number | null;
}

function placesOf(stages: readonly HashMapStage[], { heads, weights, biases }: GpuSignatureMap): Place[] {
  let row = 0;
  let weightOffset = 0;
  return stages.flatMap(({ inputs, outputs, weight, bias }) => {
    const places: Place[] = [
      { entry: weight, buffer: weights.buffer, offset: weightOffset, inputs },
      { entry: bias, buffer: biases.buffer, offset: row * 4, inputs: null },
    ];
    row += heads * outputs;
    weightOffset += heads * outputs * mapRowStride(inputs) * 2;
    return places;
  });
}

/** Bytes handed to the GPU before waiting until it has taken them. */
const windowBytes = 16 * 2 ** 20;

async function fill(
  gpu: Gpu,
  source: ModelSource,
  places: readonly Place[],
  loss: DeviceLoss,
  signal: AbortSignal | undefined,
): Promise<void> {
  throwIfAborted(signal);
  const { queue } = gpu.device;
  const settle = async (): Promise<void> => {
    // A lost device may reject or never answer.
    await Promise.race([queue.onSubmittedWorkDone().catch(() => undefined), gpu.lost]);
    loss.throwIfLost();
  };
  const inOrder = [...places].sort((a, b) => a.entry.begin - b.entry.begin);
  let written = 0;
  for await (const { place, bytes } of tensorsOf(source, inOrder, signal)) {
    const { entry, inputs } = place;
    const values = inputs === null ? biasesIn(bytes, entry) : weightsIn(bytes, entry, inputs);
    queue.writeBuffer(place.buffer, place.offset, values);
    written += values.byteLength;
    if (written < windowBytes) continue;
    written = 0;
    await settle();
  }
  await settle();
}

/** Each place's bytes in turn, in one buffer that is used again. Together the tensors are all of the file after its
 *  header, without gaps.
 *  @throws AppError "download-failed" when bytes are missing. */
async function* tensorsOf(
  source: ModelSource,
  inOrder: readonly Place[],
  signal: AbortSignal | undefined,
): AsyncGenerator<{ place: Place; bytes: Uint8Array<ArrayBuffer> }> {
  const [first, last] = [inOrder[0]!.entry, inOrder.at(-1)!.entry];
  let index = 0;
  let filled = 0;
  const scratch = new ArrayBuffer(Math.max(...inOrder.map(({ entry }) => entry.end - entry.begin)));
  let bytes = new Uint8Array(scratch, 0, first.end - first.begin);
  for await (const piece of source.readRange(first.file, first.begin, last.end, { signal })) {
    throwIfAborted(signal);
    for (let at = 0; at < piece.length; ) {
      const count = Math.min(piece.length - at, bytes.length - filled);
      bytes.set(piece.subarray(at, at + count), filled);
      at += count;
      filled += count;
      if (filled < bytes.length) continue;
      yield { place: inOrder[index]!, bytes };
      const next = inOrder[++index]?.entry;
      if (next === undefined) return;
      bytes = new Uint8Array(scratch, 0, next.end - next.begin);
      filled = 0;
    }
  }
  const { file, name: tensor, begin } = inOrder[index]!.entry;
  throw new AppError(
    'download-failed',
    `${file}: ended at byte ${begin + filled}, before the end of tensor ${tensor}. Try again.`,
    { details: { file, tensor } },
  );
}

/** Rows of halves, each filled with zeros to the stride of the kernels. */
function weightsIn(
  bytes: Uint8Array<ArrayBuffer>,
  entry: TensorEntry,
  inputs: number,
): Uint16Array<ArrayBuffer> {
  const halves = entry.dtype === 'F32' ? halvesOf(floatsOf(bytes), entry) : halfBitsOf(bytes);
  if (halves.some(isNotFinite)) throw notFinite(entry.file, entry.name);
  const stride = mapRowStride(inputs);
  if (stride === inputs) return halves;
  const rows = new Uint16Array((halves.length / inputs) * stride);
  for (let row = 0; row * inputs < halves.length; row++) {
    rows.set(halves.subarray(row * inputs, (row + 1) * inputs), row * stride);
  }
  return rows;
}

function halvesOf(values: Float32Array<ArrayBuffer>, entry: TensorEntry): Uint16Array<ArrayBuffer> {
  if (!values.every(Number.isFinite)) throw notFinite(entry.file, entry.name);
  const halves = halvesFromFloats(values);
  if (!halves.some(isNotFinite)) return halves;
  throw new AppError(
    'model-unsupported',
    `${entry.file}: tensor ${entry.name} holds values beyond ±65504, the range of half precision. Use other maps, or remove the file.`,
    { details: { file: entry.file, tensor: entry.name } },
  );
}

function biasesIn(bytes: Uint8Array<ArrayBuffer>, entry: TensorEntry): Float32Array<ArrayBuffer> {
  const values =
    entry.dtype === 'F32' ? floatsOf(bytes) : Float32Array.from(halfBitsOf(bytes), floatFromHalf);
  if (!values.every(Number.isFinite)) throw notFinite(entry.file, entry.name);
  return values;
}

function floatsOf({ buffer, length }: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  return new Float32Array(buffer, 0, length / 4);
}

function halfBitsOf({ buffer, length }: Uint8Array<ArrayBuffer>): Uint16Array<ArrayBuffer> {
  return new Uint16Array(buffer, 0, length / 2);
}

function isNotFinite(half: number): boolean {
  return (half & 0x7c00) === 0x7c00;
}
