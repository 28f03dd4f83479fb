import { describe, expect, test } from 'vitest';
import { tinyModelNames } from '../../test/support/test-files.ts';
import { parseModelConfig } from './config.ts';
import { parseSafetensorsHeader, type TensorEntry } from './safetensors.ts';
import { parseSafetensorsIndex } from './safetensors-index.ts';
import { defaultModel, hasFile, readBytes, readJson, readText, tinyModels } from './testing/test-files.ts';
import { thrownBy } from './testing/thrown-by.ts';
import { checkTensors, weightManifest } from './weight-manifest.ts';

function load(folder: string) {
  const config = parseModelConfig(readJson(`${folder}/config.json`));
  const indexFile = `${folder}/model.safetensors.index.json`;
  const files = hasFile(indexFile)
    ? parseSafetensorsIndex(readText(indexFile)).shards
    : ['model.safetensors'];
  const entries = files.flatMap((file) => {
    const bytes = readBytes(`${folder}/${file}`);
    return parseSafetensorsHeader(bytes, { file, fileSize: bytes.length }).entries;
  });
  return { config, manifest: weightManifest(config), entries };
}

test.each([defaultModel, ...tinyModelNames.map((name) => `${tinyModels}/${name}`)])(
  '%s: the manifest is exactly what its files hold',
  (folder) => {
    const { manifest, entries } = load(folder);
    const names = (list: readonly { name: string }[]) => list.map(({ name }) => name).sort();
    expect(names(manifest.tensors)).toEqual(names(entries));
    expect(checkTensors(manifest, entries).size).toBe(manifest.tensors.length);
  },
);

test('the default model: layers 4 bit, embedding 8 bit, head tied', () => {
  const { manifest } = load(defaultModel);
  expect(manifest.head).toBeNull();
  expect(manifest.embedding).toMatchObject({
    module: 'model.embed_tokens',
    rows: 49152,
    columns: 576,
    weight: { shape: [49152, 144], dtypes: ['U32'] },
    quantization: { bits: 8, groupSize: 32, scales: { shape: [49152, 18] } },
  });
  expect(manifest.layers[29]?.down).toMatchObject({
    role: 'layers[29].down',
    rows: 576,
    columns: 1536,
    weight: { name: 'model.layers.29.mlp.down_proj.weight', shape: [576, 192] },
    quantization: { bits: 4, biases: { name: 'model.layers.29.mlp.down_proj.biases', shape: [576, 48] } },
    bias: null,
  });
});

describe('what the files hold is held against the manifest', () => {
  const { config, manifest, entries } = load(`${tinyModels}/llama-f32`);
  const entry = (name: string): TensorEntry => {
    const found = entries.find((candidate) => candidate.name === name);
    if (!found) throw new Error(`no ${name}`);
    return found;
  };
  const down = 'model.layers.1.mlp.down_proj.weight';

  test('a missing tensor', () => {
    const rest = entries.filter(({ name }) => name !== down);
    expect(thrownBy(() => checkTensors(manifest, rest))).toMatchInlineSnapshot(
      `"file-malformed: model.safetensors: tensor model.layers.1.mlp.down_proj.weight is missing; expected F32|F16|BF16[128, 384] for layers[1].down.weight. The files do not match config.json; check both, or choose another model."`,
    );
    expect(thrownBy(() => checkTensors(manifest, []))).toMatch(/^file-malformed: the checkpoint: tensor/);
  });

  test.each<[string, Partial<TensorEntry>]>([
    ['transposed', { shape: [384, 128] }],
    ['another rank', { shape: [128 * 384] }],
    ['integers', { dtype: 'I32' }],
    ['double precision', { dtype: 'F64' }],
  ])('a tensor that is %s', (_, change) => {
    const changed = entries.map((each) => (each.name === down ? { ...each, ...change } : each));
    expect(thrownBy(() => checkTensors(manifest, changed))).toMatch(
      `file-malformed: model.safetensors: tensor ${down} (layers[1].down.weight): expected F32|F16|BF16[128, 384], got`,
    );
  });

  test.each([
    'model.layers.0.self_attn.q_proj.bias',
    'model.layers.2.self_attn.q_norm.weight',
    'model.layers.0.mlp.gate_proj.scales',
    'lm_head.bias',
    'model.embed_tokens.scales',
  ])('%s, which the config is silent about, is refused: the answers would be wrong', (name) => {
    const more = [...entries, { ...entry(down), name }];
    expect(thrownBy(() => checkTensors(manifest, more))).toMatch(
      `model-unsupported: model.safetensors: tensor ${name} (F32[128, 384]) is not accounted for`,
    );
  });

  test.each(['model.layers.0.self_attn.rotary_emb.inv_freq', 'model.layers.3.extra.weight', 'score.weight'])(
    '%s cannot matter and is ignored',
    (name) => {
      const found = checkTensors(manifest, [...entries, { ...entry(down), name }]);
      expect(found.has(name)).toBe(false);
      expect(found.get(down)).toBe(entry(down));
    },
  );

  test('a tied model may still carry its head', () => {
    const tied = weightManifest({ ...config, isTied: true });
    expect(checkTensors(tied, entries).has('lm_head.weight')).toBe(false);
  });

  test('a head that is neither tied nor present is missed', () => {
    const rest = entries.filter(({ name }) => name !== 'lm_head.weight');
    expect(thrownBy(() => checkTensors(manifest, rest))).toMatch(/tensor lm_head.weight is missing/);
  });
});

describe('quantisation per module', () => {
  const { config } = load(`${tinyModels}/llama-f32`);
  const quantized = (groupSize: 32 | 64 | 128, override?: 'off' | 128) => {
    const own = override === 'off' ? null : { bits: 8 as const, groupSize: 128 as const };
    const overrides = new Map(override === undefined ? [] : [['lm_head', own] as const]);
    return weightManifest({ ...config, ffn: 352, quantization: { bits: 4, groupSize, overrides } });
  };

  test('columns that the group size does not divide stay unquantised, as in MLX', () => {
    const { layers } = quantized(64);
    expect(layers[0]?.down.quantization).toBeNull(); // 352 columns
    expect(layers[0]?.gate.quantization).toMatchObject({ bits: 4, groupSize: 64 });
    expect(quantized(32).layers[0]?.down.quantization).toMatchObject({ groupSize: 32 });
  });

  test('a module may have its own settings, or none', () => {
    expect(quantized(32).head?.quantization).toMatchObject({ bits: 4 });
    expect(quantized(32, 128).head).toMatchObject({
      weight: { shape: [640, 32] },
      quantization: { bits: 8, groupSize: 128, scales: { shape: [640, 1] } },
    });
    expect(quantized(32, 'off').head?.quantization).toBeNull();
  });

  test('own settings that do not fit are refused', () => {
    const overrides = new Map([['model.layers.0.mlp.down_proj', { bits: 4, groupSize: 64 } as const]]);
    const odd = { ...config, ffn: 352, quantization: { bits: 4, groupSize: 32, overrides } as const };
    expect(thrownBy(() => weightManifest(odd))).toMatch(
      /down_proj has 352 columns, no multiple of its group_size 64/,
    );
  });
});
