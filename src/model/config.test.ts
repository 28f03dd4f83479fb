import { describe, expect, test } from 'vitest';
import { parseModelConfig } from './config.ts';
import { defaultModel, readJson, tinyModels } from './testing/test-files.ts';
import { thrownBy } from './testing/thrown-by.ts';

const llama = {
  model_type: 'llama',
  hidden_size: 576,
  num_hidden_layers: 30,
  num_attention_heads: 9,
  num_key_value_heads: 3,
  intermediate_size: 1536,
  vocab_size: 49152,
  max_position_embeddings: 8192,
  rms_norm_eps: 1e-5,
  rope_theta: 100000,
  hidden_act: 'silu',
};
type Changes = Record<string, unknown>;
const parse = (changes: Changes = {}) => parseModelConfig({ ...llama, ...changes });
const without = (key: string) => Object.fromEntries(Object.entries(llama).filter(([name]) => name !== key));

test('the default model: every field', () => {
  expect(parseModelConfig(readJson(`${defaultModel}/config.json`))).toEqual({
    modelType: 'llama',
    hidden: 576,
    layers: 30,
    qHeads: 9,
    kvHeads: 3,
    headDim: 64,
    ffn: 1536,
    vocab: 49152,
    normEps: 1e-5,
    trainedContext: 8192,
    slidingWindow: null,
    rope: { kind: 'default', theta: 100000 },
    biases: { qkv: false, output: false, mlp: false },
    hasQkNorm: false,
    isTied: true,
    bosTokenId: 1,
    eosTokenIds: [2],
    quantization: {
      bits: 4,
      groupSize: 32,
      overrides: new Map([['model.embed_tokens', { bits: 8, groupSize: 32 }]]),
    },
  });
});

test.each([
  ['llama-f32', { modelType: 'llama', headDim: 32, kvHeads: 4, isTied: false, quantization: null }],
  ['llama-bf16-sharded', { kvHeads: 1, isTied: true, rope: { kind: 'default', theta: 500000 } }],
  ['llama-bias-f32', { biases: { qkv: true, output: true, mlp: true } }],
  ['llama-linear-f16', { rope: { kind: 'linear', theta: 10000, factor: 4 } }],
  [
    'llama3-f16',
    {
      rope: {
        kind: 'llama3',
        theta: 500000,
        factor: 8,
        lowFrequencyFactor: 1,
        highFrequencyFactor: 4,
        originalContext: 128,
      },
    },
  ],
  ['mistral-bf16', { modelType: 'mistral', headDim: 48, slidingWindow: null }],
  ['qwen2-bf16', { modelType: 'qwen2', biases: { qkv: true, output: false, mlp: false } }],
  ['qwen2-yarn-f32', { rope: expect.objectContaining({ kind: 'yarn', factor: 4, originalContext: 64 }) }],
  [
    'qwen3-bf16',
    { modelType: 'qwen3', hasQkNorm: true, headDim: 64, biases: expect.objectContaining({ qkv: false }) },
  ],
  ['llama-mlx8-g64', { quantization: { bits: 8, groupSize: 64, overrides: new Map() } }],
  ['llama-mlx4-bf16', { quantization: { bits: 4, groupSize: 64, overrides: new Map([['lm_head', null]]) } }],
])('%s is understood', (name, expected) => {
  expect(parseModelConfig(readJson(`${tinyModels}/${name}/config.json`))).toMatchObject(expected);
});

describe('dimensions', () => {
  test.each([
    ['hidden_size', 0],
    ['hidden_size', '576'],
    ['num_hidden_layers', 1.5],
    ['num_attention_heads', -1],
    ['num_key_value_heads', 4],
    ['intermediate_size', null],
    ['vocab_size', [1]],
    ['max_position_embeddings', 2 ** 60],
    ['rms_norm_eps', 0],
    ['tie_word_embeddings', 'yes'],
    ['eos_token_id', [2, -1]],
  ])('%s = %j is malformed, by name', (key, value) => {
    expect(thrownBy(() => parse({ [key]: value }))).toMatch(
      new RegExp(`^file-malformed: config.json: ${key} must be`),
    );
  });

  test.each(['hidden_size', 'num_attention_heads', 'vocab_size', 'rms_norm_eps', 'max_position_embeddings'])(
    'a config without %s is malformed, by name',
    (key) => {
      expect(thrownBy(() => parseModelConfig(without(key)))).toMatch(
        new RegExp(`^file-malformed: config.json: ${key} must be`),
      );
    },
  );

  test('the message says what, where, expected, got, and what to do', () => {
    expect(
      thrownBy(() => parseModelConfig({ ...llama, hidden_size: 0 }, 'mine/config.json')),
    ).toMatchInlineSnapshot(
      `"file-malformed: mine/config.json: hidden_size must be an integer of at least 1, got 0. Check the file, or choose another model."`,
    );
  });

  test.each([null, 'text', [], 3])('a file that holds %j is malformed', (json) => {
    expect(thrownBy(() => parseModelConfig(json))).toMatch(
      /^file-malformed: config.json: the whole file must be/,
    );
  });

  test('head_dim may differ from hidden / heads; absent, it is that quotient', () => {
    expect(parse({ head_dim: 128 }).headDim).toBe(128);
    expect(parse({ head_dim: null }).headDim).toBe(64);
    expect(thrownBy(() => parse({ hidden_size: 577 }))).toMatch(/hidden_size must be a multiple of/);
    expect(parse({ model_type: 'qwen3', head_dim: null }).headDim).toBe(128);
  });

  test.each([30, 31, 33, 258])('head size %j is refused', (headDim) => {
    expect(thrownBy(() => parse({ head_dim: headDim }))).toMatch(/^model-unsupported: .*head size/);
  });

  test.each([32, 80, 256])('head size %j is accepted', (headDim) => {
    expect(parse({ head_dim: headDim }).headDim).toBe(headDim);
  });

  test('old Llama files without key-value heads have one per query head', () => {
    expect(parseModelConfig(without('num_key_value_heads')).kvHeads).toBe(9);
    expect(
      thrownBy(() => parseModelConfig({ ...without('num_key_value_heads'), model_type: 'qwen2' })),
    ).toMatch(/num_key_value_heads/);
  });

  test('end tokens: none, one, or a list', () => {
    expect(parse().eosTokenIds).toEqual([]);
    expect(parse({ eos_token_id: 7 }).eosTokenIds).toEqual([7]);
    expect(parse({ eos_token_id: [128001, 128009] }).eosTokenIds).toEqual([128001, 128009]);
  });
});

describe('what would change the maths is refused by name', () => {
  test.each([
    ['model_type', 'gemma2'],
    ['model_type', 'mixtral'],
    ['hidden_act', 'gelu'],
    ['num_local_experts', 8],
    ['num_experts', 64],
    ['partial_rotary_factor', 0.5],
    ['quantization_config', { quant_method: 'gptq', bits: 4, group_size: 128 }],
    ['quantization_config', { quant_method: 'awq', bits: 4 }],
    ['quantization_config', { quant_method: 'fp8' }],
    ['quantization_config', { quant_method: 'bitsandbytes', load_in_4bit: true }],
    ['quantization', { bits: 4, group_size: 32, mode: 'mxfp4' }],
    ['quantization', { bits: 3, group_size: 64 }],
    ['quantization', { bits: 4, group_size: 16 }],
    ['quantization', { bits: 4, group_size: 64, lm_head: { bits: 6, group_size: 64 } }],
    ['quantization', { bits: 4, group_size: 64, lm_head: 'none' }],
    ['rope_scaling', { rope_type: 'longrope', factor: 2 }],
    ['rope_scaling', { type: 'dynamic', factor: 2 }],
    ['rope_parameters', { rope_type: 'default', rope_theta: 1e4, partial_rotary_factor: 0.25 }],
    ['rope_parameters', { full_attention: { rope_type: 'default', rope_theta: 1e4 } }],
    ['layer_types', Array(30).fill('chunked_attention')],
  ])('%s = %j', (key, value) => {
    const message = thrownBy(() => parse({ [key]: value }));
    expect(message).toMatch(new RegExp(`^model-unsupported: config.json: ${key}`));
  });

  test('the message names the value and what is supported', () => {
    const config = { quantization_config: { quant_method: 'gptq', bits: 4, group_size: 128 } };
    expect(thrownBy(() => parse(config))).toMatchInlineSnapshot(
      `"model-unsupported: config.json: quantization_config.quant_method is "gptq"; this engine supports MLX affine quantisation and unquantised weights. Choose another model."`,
    );
  });

  test('harmless forms of the same fields are accepted', () => {
    expect(() => parse({ partial_rotary_factor: 1, num_experts: 0, hidden_act: 'silu' })).not.toThrow();
  });
});

describe('quantisation', () => {
  const mlx = { bits: 4, group_size: 64, 'model.embed_tokens': { bits: 8, group_size: 32 }, lm_head: false };

  test('both fields may be present when they agree, in any order', () => {
    const reversed = Object.fromEntries(Object.entries(mlx).reverse());
    const { quantization } = parse({ quantization: mlx, quantization_config: reversed });
    expect(quantization).toEqual(parse({ quantization_config: mlx }).quantization);
    expect(quantization?.overrides.get('lm_head')).toBeNull();
  });

  test.each([
    { ...mlx, bits: 8 },
    { ...mlx, lm_head: { bits: 4, group_size: 64 } },
    { bits: 4, group_size: 64 },
  ])('fields that disagree are malformed: %j', (other) => {
    expect(thrownBy(() => parse({ quantization: mlx, quantization_config: other }))).toMatch(
      /^file-malformed: config.json: quantization and quantization_config/,
    );
  });

  test('a missing group size is malformed', () => {
    expect(thrownBy(() => parse({ quantization: { bits: 4 } }))).toMatch(/quantization.group_size must be/);
  });
});

describe('sliding windows', () => {
  const layerTypes = (sliding: boolean) => [
    ...Array(29).fill('full_attention'),
    sliding ? 'sliding_attention' : 'full_attention',
  ];
  test.each<[string, Changes, number | null]>([
    ['set', { model_type: 'mistral', sliding_window: 4096 }, 4096],
    ['null', { model_type: 'mistral', sliding_window: null }, null],
    ['absent: the default of Mistral', { model_type: 'mistral' }, 4096],
    ['set but not used', { model_type: 'qwen2', sliding_window: 4096, use_sliding_window: false }, null],
    ['set and used', { model_type: 'qwen2', sliding_window: 4096, use_sliding_window: true }, 4096],
    [
      'set, no layer slides',
      { model_type: 'qwen3', sliding_window: 512, layer_types: layerTypes(false) },
      null,
    ],
    [
      'set, one layer slides',
      { model_type: 'qwen3', sliding_window: 512, layer_types: layerTypes(true) },
      512,
    ],
    ['absent', {}, null],
  ])('%s', (_, changes, expected) => {
    expect(parse(changes).slidingWindow).toBe(expected);
  });

  test('a sliding layer without a window is malformed', () => {
    expect(thrownBy(() => parse({ layer_types: layerTypes(true) }))).toMatch(/sliding_window must be/);
  });

  test('layer types must be as many as layers', () => {
    expect(thrownBy(() => parse({ layer_types: ['full_attention'] }))).toMatch(
      /layer_types must be a list of 30/,
    );
  });
});
