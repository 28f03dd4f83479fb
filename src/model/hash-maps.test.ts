import { describe, expect, test } from 'vitest';
import { type ModelConfig, parseModelConfig } from './config.ts';
import { hashMapsFit, parseHashMaps } from './hash-maps.ts';
import { parseSafetensorsHeader, type TensorEntry } from './safetensors.ts';
import { defaultModel, readBytes, readJson } from './testing/test-files.ts';
import { thrownBy } from './testing/thrown-by.ts';

const config = parseModelConfig(readJson(`${defaultModel}/config.json`));

const metadata: Readonly<Record<string, string>> = {
  format: 'hash-attention',
  version: '1',
  bits: '64',
  sharing: 'kv-head',
  score: 'asymmetric',
  query_bits: '4',
  activation: 'silu',
  model: 'a model',
  trained_length: '8192',
  rope: '{"theta":100000,"type":"default"}',
};
const twoLayers: ModelConfig = { ...config, layers: 2, qHeads: 6, kvHeads: 2, headDim: 48 };

type Shapes = Record<string, readonly number[]>;

/** Maps 48 → 21 → 64 for queries and 48 → 64 for keys. */
function shapesOf(keyHeads = 2): Shapes {
  const shapes: Shapes = {};
  for (const layer of [0, 1]) {
    shapes[`layers.${layer}.query.0.weight`] = [6, 21, 48];
    shapes[`layers.${layer}.query.0.bias`] = [6, 21];
    shapes[`layers.${layer}.query.1.weight`] = [6, 64, 21];
    shapes[`layers.${layer}.query.1.bias`] = [6, 64];
    shapes[`layers.${layer}.key.0.weight`] = [keyHeads, 64, 48];
    shapes[`layers.${layer}.key.0.bias`] = [keyHeads, 64];
  }
  return shapes;
}

function parse(
  changes: {
    metadata?: Record<string, string | undefined>;
    tensors?: Record<string, readonly number[] | undefined>;
    dtype?: TensorEntry['dtype'];
    keyHeads?: number;
  } = {},
) {
  const present = <T>(values: Record<string, T | undefined>): [string, T][] =>
    Object.entries(values).filter((entry): entry is [string, T] => entry[1] !== undefined);
  const tensors = present<readonly number[]>({ ...shapesOf(changes.keyHeads), ...changes.tensors });
  const entries = tensors.map(([name, shape]) => {
    return { name, file: 'maps', dtype: changes.dtype ?? 'F16', shape, begin: 0, end: 0 };
  });
  const strings = new Map(present<string>({ ...metadata, ...changes.metadata }));
  return parseHashMaps({ metadata: strings, entries }, twoLayers, 'maps');
}

test('the reference maps of the default model', () => {
  const path = 'test/data/golden/SmolLM2-135M-Instruct-4bit/hash_attention.safetensors';
  const bytes = readBytes(path);
  const maps = parseHashMaps(parseSafetensorsHeader(bytes, { file: path, fileSize: bytes.length }), config);
  const { layers, ...facts } = maps;
  expect(facts).toEqual({
    bits: 32,
    sharing: 'kv-head',
    score: 'asymmetric',
    queryBits: 4,
    model: 'SmolLM2-135M-Instruct',
    trainedLength: 8192,
    rope: '{"theta":100000,"type":"default"}',
    layerBudgets: null,
  });
  const widths = layers.map(({ query, key }) =>
    [query, key].map((stages) => [
      stages[0]?.weight.shape[0],
      ...stages.map(({ inputs, outputs }) => [inputs, outputs]),
    ]),
  );
  const stages = [
    [64, 64],
    [64, 32],
  ];
  expect(widths).toEqual(
    new Array(30).fill([
      [9, ...stages],
      [3, ...stages],
    ]),
  );
});

test('stages and widths are whatever the tensors say', () => {
  const { layers } = parse();
  expect(layers).toHaveLength(2);
  expect(layers[1]?.query.map(({ inputs, outputs }) => [inputs, outputs])).toEqual([
    [48, 21],
    [21, 64],
  ]);
  expect(layers[1]?.key[0]?.weight.name).toBe('layers.1.key.0.weight');
  expect(parse({ dtype: 'F32' }).layers[0]?.key[0]?.bias.dtype).toBe('F32');
});

test('key maps per query head', () => {
  const maps = parse({ metadata: { sharing: 'query-head' }, keyHeads: 6 });
  expect(maps.layers[0]?.key[0]?.weight.shape).toEqual([6, 64, 48]);
});

test("without rope the maps are of the model's own", () => {
  expect(parse({ metadata: { rope: undefined } }).rope).toBe('{"theta":100000,"type":"default"}');
});

test('budgets by layer are those of the file', () => {
  expect(parse().layerBudgets).toBeNull();
  expect(parse({ metadata: { layer_budgets: '[0.25, 1.7504]' } }).layerBudgets).toEqual([0.25, 1.7504]);
});

test('maps fit under their RoPE, up to the length they were trained on', () => {
  const maps = parse();
  const { rope } = config;
  expect(hashMapsFit(maps, { rope, contextLength: 8192 })).toEqual({ kind: 'fits' });
  expect(hashMapsFit(maps, { rope, contextLength: 8193 })).toEqual({
    kind: 'beyond-trained-length',
    trainedLength: 8192,
    contextLength: 8193,
  });
  const linear = { kind: 'linear', theta: 100000, factor: 2 } as const;
  expect(hashMapsFit(maps, { rope: linear, contextLength: 10 })).toEqual({
    kind: 'other-rope',
    trained: '{"theta":100000,"type":"default"}',
    running: '{"factor":2,"theta":100000,"type":"linear"}',
  });
});

describe('refused by name', () => {
  test.each([
    ['format', 'pt'],
    ['bits', '16'],
    ['bits', '032'],
    ['sharing', 'layer'],
    ['score', 'cosine'],
    ['query_bits', '0'],
    ['query_bits', '5'],
    ['model', ''],
    ['trained_length', '0'],
    ['trained_length', '8192.5'],
    ['trained_length', '99999999999999999999'],
    ['rope', '{"theta":100000}'],
    ['layer_budgets', ''],
    ['layer_budgets', '[1, 1'],
    ['layer_budgets', '{"0": 1, "1": 1}'],
    ['layer_budgets', '[1, 1, 1]'],
    ['layer_budgets', '[2, 0]'],
    ['layer_budgets', '[2.5, -0.5]'],
    ['layer_budgets', '["1", "1"]'],
    ['layer_budgets', '[1, null]'],
    ['layer_budgets', '[1, 1.01]'],
  ])('metadata %s: %j', (key, value) => {
    expect(thrownBy(() => parse({ metadata: { [key]: value } }))).toContain(
      `file-malformed: maps: metadata ${key} must be `,
    );
  });

  test.each(Object.keys(metadata).filter((key) => key !== 'rope'))('metadata without %s', (key) => {
    expect(thrownBy(() => parse({ metadata: { [key]: undefined } }))).toMatch(
      new RegExp(`^file-malformed: maps: metadata ${key} must be .*, got nothing`),
    );
  });

  test.each([
    ['version', '2'],
    ['activation', 'relu'],
  ])('metadata %s: %j is of another engine', (key, value) => {
    expect(thrownBy(() => parse({ metadata: { [key]: value } }))).toContain(
      `model-unsupported: maps: metadata ${key} is "${value}"; this engine supports `,
    );
  });

  test.each<[string, string, Record<string, readonly number[] | undefined>]>([
    ['no map of a layer', 'layers.1.key.0.weight is missing', { 'layers.1.key.0.weight': undefined }],
    ['no bias', 'layers.0.query.1.bias is missing', { 'layers.0.query.1.bias': undefined }],
    [
      'a stage left out',
      'layers.0.query.0.weight gives 21 values; bits says 64',
      { 'layers.0.query.1.weight': undefined },
    ],
    [
      'heads',
      'layers.0.key.0.weight: expected F16 or F32 [2, 1 to 256, 48], got F16 [3, 64, 48]',
      { 'layers.0.key.0.weight': [3, 64, 48] },
    ],
    ['head size', '[6, 1 to 256, 48], got F16 [6, 21, 64]', { 'layers.0.query.0.weight': [6, 21, 64] }],
    [
      'widths that do not meet',
      '[6, 1 to 256, 21], got F16 [6, 64, 22]',
      { 'layers.1.query.1.weight': [6, 64, 22] },
    ],
    ['no outputs', 'got F16 [6, 0, 48]', { 'layers.0.query.0.weight': [6, 0, 48] }],
    ['too wide', 'got F16 [6, 257, 48]', { 'layers.0.query.0.weight': [6, 257, 48] }],
    [
      'a bias of another length',
      'layers.0.key.0.bias: expected F16 or F32 [2, 64], got F16 [2, 63]',
      { 'layers.0.key.0.bias': [2, 63] },
    ],
    [
      'other bits',
      'layers.0.key.0.weight gives 32 values; bits says 64',
      { 'layers.0.key.0.weight': [2, 32, 48], 'layers.0.key.0.bias': [2, 32] },
    ],
    [
      'a layer the model lacks',
      'layers.2.key.0.bias is not accounted for: the model has 2 layers',
      { 'layers.2.key.0.bias': [2, 64] },
    ],
    [
      'a gap between stages',
      'layers.0.key.2.weight is not accounted for',
      { 'layers.0.key.2.weight': [2, 64, 64] },
    ],
    [
      'a stranger',
      'tensor layers.00.key.0.bias has a name this format does not know',
      { 'layers.00.key.0.bias': [2, 64] },
    ],
  ])('tensors: %s', (_, fault, tensors) => {
    const message = thrownBy(() => parse({ tensors }));
    expect(message).toMatch(/^file-malformed: maps: tensor /);
    expect(message).toContain(fault);
  });

  test('tensors: another type', () => {
    expect(thrownBy(() => parse({ dtype: 'BF16' }))).toContain(
      'F16 or F32 [6, 1 to 256, 48], got BF16 [6, 21, 48]',
    );
  });

  test('tensors: more stages than the kernels have room for', () => {
    const tensors: Shapes = {};
    for (let stage = 1; stage < 16; stage++) {
      tensors[`layers.0.key.${stage}.weight`] = [2, 64, 64];
      tensors[`layers.0.key.${stage}.bias`] = [2, 64];
    }
    expect(thrownBy(() => parse({ tensors }))).toContain(
      'layers.0.key.15.weight is one stage more than the 15',
    );
  });
});
