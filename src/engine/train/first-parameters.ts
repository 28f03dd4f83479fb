/** Parameters before the first step: random ones, or those of maps trained before. */
import { AppError } from '../../errors.ts';
import { floatFromHalf } from '../../kernels/shared/half.ts';
import type { ModelConfig } from '../../model/config.ts';
import { type HashMapStage, hashMapsFile, parseHashMaps } from '../../model/hash-maps.ts';
import { parseSafetensorsHeader, type TensorEntry } from '../../model/safetensors.ts';
import { initialParameters, type LayerLayout, type MapLayout, placeStageValues } from './map-layout.ts';
import type { TrainOptions } from './train-options.ts';

interface First {
  readonly config: ModelConfig;
  readonly layout: LayerLayout;
  readonly options: TrainOptions;
}

/** f32 [layout.count] of every layer.
 *  @param from hash_attention.safetensors; scales t are those of its metadata, or `firstScale` where it has none
 *  @throws AppError "invalid-request" when `from` is of another layout than the options ask for; "file-malformed" or
 *  "model-unsupported" as `parseHashMaps`. */
export function firstParameters(
  { config, layout, options }: First,
  from?: Uint8Array<ArrayBuffer>,
): Float32Array<ArrayBuffer>[] {
  const layers = Array.from({ length: config.layers }, (_, layer) =>
    initialParameters(layout, options, layer),
  );
  if (!from) return layers;
  const header = parseSafetensorsHeader(from, { file: hashMapsFile, fileSize: from.length });
  const maps = parseHashMaps(header, config);
  sameLayout('sharing', maps.sharing, options.sharing);
  sameLayout('score', maps.score, options.score);
  const scales = readScales(header.metadata.get('scales'), config.layers);
  layers.forEach((parameters, layer) => {
    const { query, key } = maps.layers[layer]!;
    placeMap(from, query, parameters, layout.query);
    placeMap(from, key, parameters, layout.key);
    if (scales) parameters[layout.scaleIndex] = scales[layer]!;
  });
  return layers;
}

function placeMap(
  bytes: Uint8Array<ArrayBuffer>,
  stages: readonly HashMapStage[],
  parameters: Float32Array,
  { stages: places }: MapLayout,
): void {
  const widths = (parts: MapLayout['stages'] | readonly HashMapStage[]): string =>
    [parts[0]!.inputs, ...parts.map(({ outputs }) => outputs)].join(' → ');
  sameLayout('widths', widths(stages), widths(places));
  stages.forEach(({ weight, bias }, i) => {
    placeStageValues(parameters, places[i]!, {
      weight: floatsOf(bytes, weight),
      bias: floatsOf(bytes, bias),
    });
  });
}

function floatsOf(
  bytes: Uint8Array<ArrayBuffer>,
  { name, dtype, begin, end }: TensorEntry,
): Float32Array<ArrayBuffer> {
  const { buffer } = bytes.slice(begin, end);
  const values =
    dtype === 'F32' ? new Float32Array(buffer) : Float32Array.from(new Uint16Array(buffer), floatFromHalf);
  if (values.every(Number.isFinite)) return values;
  throw malformed(`tensor ${name} holds values that are not finite`);
}

function readScales(text: string | undefined, layers: number): readonly number[] | null {
  if (text === undefined) return null;
  const values = parseJson(text);
  if (Array.isArray(values) && values.length === layers && values.every(Number.isFinite)) return values;
  throw malformed(`metadata scales must be ${layers} numbers in JSON, got ${text}`);
}

/** Undefined where the text is no JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function sameLayout(what: string, got: string, expected: string): void {
  if (got === expected) return;
  throw new AppError(
    'invalid-request',
    `${hashMapsFile} to begin from: ${what} ${got}, and training is asked for with ${expected}. Ask for the same, or start anew.`,
  );
}

function malformed(fault: string): AppError {
  return new AppError(
    'file-malformed',
    `${hashMapsFile} to begin from: ${fault}. Use another file, or start anew.`,
  );
}
