import { describe, expect, test } from 'vitest';
import { floatFromHalf, halfFromFloat } from '../../kernels/shared/half.ts';
import { Random, runSeed } from '../../kernels/testing/random.ts';
import { type ModelConfig, parseModelConfig } from '../../model/config.ts';
import { parseSafetensorsHeader } from '../../model/safetensors.ts';
import { defaultModel, readBytes, readJson } from '../../model/testing/test-files.ts';
import { thrownBy } from '../../model/testing/thrown-by.ts';
import { writeSafetensors } from '../../model/write-safetensors.ts';
import { firstParameters } from './first-parameters.ts';
import { layerLayout } from './map-layout.ts';
import { completeTrainOptions, type TrainOptions } from './train-options.ts';
import { writeTrainedMaps } from './trained-maps.ts';

const model = parseModelConfig(readJson(`${defaultModel}/config.json`));
const config: ModelConfig = { ...model, layers: 3, qHeads: 6, kvHeads: 2, headDim: 48 };
const base = { bits: 64, hidden: [20, 36] } as const;

function firstOf(given: Partial<TrainOptions>, from?: Uint8Array<ArrayBuffer>): Float32Array[] {
  const options = completeTrainOptions({ ...base, ...given });
  return firstParameters({ config, options, layout: layerLayout(config, options) }, from);
}

describe(`where training begins (seed ${runSeed})`, () => {
  const options = completeTrainOptions(base);
  const layout = layerLayout(config, options);
  const random = new Random(runSeed);
  const layers = Array.from({ length: config.layers }, () => {
    const parameters = random.normals(layout.count).map((value) => floatFromHalf(halfFromFloat(value)));
    parameters[layout.scaleIndex] = random.normals(1)[0]!;
    return parameters;
  });
  const file = writeTrainedMaps({
    layout,
    layers,
    options,
    model: 'a model',
    rope: config.rope,
    layerBudgets: null,
  });

  /** The same maps with other metadata; undefined removes. */
  function relabelled(changes: Record<string, string | undefined>): Uint8Array<ArrayBuffer> {
    const { metadata, entries } = parseSafetensorsHeader(file, { file: 'maps', fileSize: file.length });
    const strings = Object.entries({ ...Object.fromEntries(metadata), ...changes });
    return writeSafetensors(
      entries.map(({ name, shape, begin, end }) => {
        return { name, dtype: 'F16', shape, bytes: file.subarray(begin, end) };
      }),
      Object.fromEntries(strings.filter((pair): pair is [string, string] => pair[1] !== undefined)),
    );
  }

  test('maps come back as they were written, with the scales they learnt', () => {
    expect(firstOf({ seed: 2 }, file)).toEqual(layers);
  });

  test('without scales in the file, t begins at firstScale', () => {
    const first = firstOf({ firstScale: 0.25 }, relabelled({ scales: undefined }));
    expect(first.map((parameters) => parameters[layout.scaleIndex])).toEqual([0.25, 0.25, 0.25]);
    expect(first[2]!.subarray(0, -1)).toEqual(layers[2]!.subarray(0, -1));
  });

  test.each<[string, Partial<TrainOptions>, string]>([
    [
      'lists per query head',
      { sharing: 'query-head' },
      'sharing kv-head, and training is asked for with query-head',
    ],
    ['Hamming scores', { score: 'hamming' }, 'score asymmetric, and training is asked for with hamming'],
    [
      'fewer bits',
      { bits: 32 },
      'widths 48 → 20 → 36 → 64, and training is asked for with 48 → 20 → 36 → 32',
    ],
    [
      'other widths',
      { hidden: [20] },
      'widths 48 → 20 → 36 → 64, and training is asked for with 48 → 20 → 64',
    ],
  ])('%s in place of the layout of the file are refused', (_, given, message) => {
    expect(thrownBy(() => firstOf(given, file))).toContain(
      `invalid-request: hash_attention.safetensors to begin from: ${message}`,
    );
  });

  test.each([
    ...['[1,2]', '[1,null,2]', '[,,]', '[1,2,]', '["1","2","3"]', '{"length":3}'],
    ...['1,2,3', '[1,2,1e999]', 'x', ''],
  ])('scales %o are refused', (scales) => {
    expect(thrownBy(() => firstOf({}, relabelled({ scales })))).toMatch(
      /^file-malformed: .*metadata scales must be 3 numbers in JSON/,
    );
  });

  test('the maps of the default model are some to begin from', () => {
    const own = completeTrainOptions({});
    const parts = { config: model, options: own, layout: layerLayout(model, own) };
    const first = firstParameters(parts, readBytes(`${defaultModel}/hash_attention.safetensors`));
    expect(first.map(({ length }) => length)).toEqual(Array.from({ length: 30 }, () => parts.layout.count));
  });
});
