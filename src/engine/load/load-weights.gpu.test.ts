import { describe, expect, test } from 'vitest';
import { Checkpoint, encode, randomTensor } from '../../../test/support/checkpoint.ts';
import { readMatrices, readVector } from '../../../test/support/read-matrix.ts';
import { MemorySource, readTinyModel } from '../../../test/support/test-files.ts';
import { writeShards } from '../../../test/support/write-shards.ts';
import { AppError } from '../../errors.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import { Random, runSeed } from '../../kernels/testing/random.ts';
import { openTestGpu, withGpu } from '../../kernels/testing/with-gpu.ts';
import type { TensorData } from '../../model/write-safetensors.ts';
import type { WeightsOption } from '../api.ts';
import type { GpuWeights } from './gpu-weights.ts';
import { type LoadWeightsOptions, loadWeights } from './load-weights.ts';
import { type OpenedModel, openModel } from './open-model.ts';
import { partLimit, planWeights } from './plan-weights.ts';
import type { WeightsChoice } from './weight-formats.ts';
import { type WeightPlan, weightBytesOf } from './weight-plan.ts';

type Files = Map<string, Uint8Array<ArrayBuffer>>;

const allQ4: WeightsChoice = { layers: 'q4', embedding: 'q4', head: 'q4' };
const tinyModels = [
  'llama-f32',
  'llama-bf16-sharded',
  'llama3-f16',
  'llama-bias-f32',
  'qwen2-bf16',
  'qwen3-bf16',
  'llama-mlx4-g32',
  'llama-mlx8-g64',
  'llama-mlx4-bf16',
];

describe(`loading weights (seed ${runSeed})`, () => {
  const gpu = withGpu();
  const random = new Random(runSeed);

  for (const name of tinyModels) {
    test(`${name} as stored: every weight on the GPU is the file's`, async () => {
      const files = await readTinyModel(name);
      const { model, weights } = await load(files, 'stored');
      await expectEqualWeights(weights, model, new Checkpoint(files));
      weights.dispose();
    });
  }

  test('llama-f32 quantised to 4 bits is llama-mlx4-g32', async () => {
    const { weights } = await load(await readTinyModel('llama-f32'), allQ4);
    const mlx = new Checkpoint(await readTinyModel('llama-mlx4-g32'));
    for (const [got, modules] of matrixModules(weights)) {
      const expected = modules.flatMap((module) => [...mlx.matrix(module)]);
      const values = await readMatrices(gpu(), got);
      // WGSL's division may push a scale or a weight over a tie: one step, and rarely.
      const differing = values.filter((value, i) => value !== expected[i]);
      expect(differing.length / values.length, modules.join()).toBeLessThan(0.005);
      const largest = values.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0);
      expect(largest, modules.join()).toBeLessThan(0.02);
    }
    weights.dispose();
  });

  for (const [name, option, steps] of [
    ['llama3-f16', 'q8', 255],
    ['llama-bf16-sharded', 'q4', 15],
    ['qwen3-bf16', 'f16', 0],
  ] as const) {
    test(`${name} as ${option}: no weight is off by more than the format allows`, async () => {
      const files = await readTinyModel(name);
      const { weights } = await load(files, option);
      const checkpoint = new Checkpoint(files);
      for (const [got, modules] of matrixModules(weights)) {
        const isEnd = modules[0] === 'model.embed_tokens' || modules[0] === 'lm_head';
        const levels = isEnd && option === 'q4' ? 255 : steps;
        const kind = levels === 0 ? 'f16' : levels === 15 ? 'q4' : 'q8';
        expect(got.map(({ format }) => format.kind)).toEqual([kind]);
        const values = await readMatrices(gpu(), got);
        const expected = modules.flatMap((module) => [...checkpoint.matrix(module)]);
        expectWithin(values, expected, got[0]!.columns, levels, modules.join());
      }
      weights.dispose();
    });
  }

  test('odd sizes, mixed types, shuffled shards, small pieces, chunks and parts', async () => {
    for (const option of ['stored', 'q4', 'f16'] as const) {
      const files = oddModel(random);
      const source = new MemorySource(files, () => random.integer(1, 3000));
      const progress: number[] = [];
      let total = 0;
      const { model, weights } = await load(files, option, {
        source,
        maxPartBytes: 4096,
        chunkBytes: 1200,
        onProgress: (loaded, all) => {
          progress.push(loaded);
          total = all;
        },
      });
      expect(weights.embedding.parts.length).toBeGreaterThan(1);
      expect(weights.layers[0]!.gateUp.length).toBe(2);
      expect(progress).toEqual([...progress].sort((a, b) => a - b));
      expect(progress.at(-1)).toBe(total);
      // One request for each file's header and one for its tensors.
      expect(source.reads.length).toBeLessThanOrEqual(2 * 3 + 3);
      if (option === 'stored') await expectEqualWeights(weights, model, new Checkpoint(files));
      else await expectHalves(weights, new Checkpoint(files));
      weights.dispose();
    }
  });

  test('quantised shards: scales apart from weights, of mixed types, groups of 128, small parts', async () => {
    const files = quantizedModel(random);
    const { model, weights } = await load(files, 'q4', {
      source: new MemorySource(files, () => random.integer(1, 2000)),
      maxPartBytes: 2048,
      chunkBytes: 600,
    });
    expect(weights.embedding.format).toEqual({ kind: 'q8', groupSize: 32, scales: 'f16' });
    expect(weights.layers[0]!.qkv.map(({ format }) => format)).toEqual([
      { kind: 'q4', groupSize: 128, scales: 'f32' },
      { kind: 'q4', groupSize: 128, scales: 'f16' },
      { kind: 'q4', groupSize: 128, scales: 'f16' },
    ]);
    await expectEqualWeights(weights, model, new Checkpoint(files));
    weights.dispose();
  });

  test('what a plan counts is what is allocated', async () => {
    for (const [name, option] of [
      ['llama-bias-f32', 'q4'],
      ['qwen3-bf16', 'stored'],
      ['llama-mlx4-bf16', 'q4'],
    ] as const) {
      const { plan, weights } = await load(await readTinyModel(name), option, { maxPartBytes: 20_000 });
      expect(weightBytesOf(plan)).toBe(weights.byteLength);
      weights.dispose();
    }
  });

  describe('refusals', () => {
    const layer = 'model.layers.1';
    const nan = Uint8Array.of(0x01, 0x00, 0xc0, 0x7f);
    for (const [name, option, tensor, bytes, code] of [
      ['llama-f32', 'stored', `${layer}.input_layernorm.weight`, nan, 'file-malformed'],
      ['llama-f32', 'stored', `${layer}.mlp.down_proj.weight`, nan, 'file-malformed'],
      ['llama-f32', 'f16', `${layer}.mlp.down_proj.weight`, nan, 'file-malformed'],
      ['llama-f32', 'q4', `${layer}.self_attn.v_proj.weight`, nan, 'file-malformed'],
      [
        'llama-f32',
        'q4',
        'model.embed_tokens.weight',
        encode(Float32Array.of(-1e6), 'F32'),
        'model-unsupported',
      ],
      ['llama-f32', 'f16', 'lm_head.weight', encode(Float32Array.of(65520), 'F32'), 'model-unsupported'],
      ['llama3-f16', 'stored', `${layer}.mlp.up_proj.weight`, Uint8Array.of(0x00, 0x7c), 'file-malformed'],
      ['llama-bf16-sharded', 'q4', `${layer}.mlp.up_proj.weight`, nan.subarray(2), 'file-malformed'],
      ['llama-mlx4-g32', 'q4', `${layer}.mlp.up_proj.scales`, Uint8Array.of(0x00, 0x7e), 'file-malformed'],
      ['llama-mlx4-bf16', 'q4', `${layer}.mlp.gate_proj.biases`, Uint8Array.of(0x80, 0xff), 'file-malformed'],
    ] as const) {
      test(`${name} as ${option} with a bad value in ${tensor}: ${code}`, async () => {
        const files = await readTinyModel(name);
        const checkpoint = new Checkpoint(files);
        const target = checkpoint.bytes(tensor);
        target.set(bytes, bytes.length * random.integer(0, target.length / bytes.length - 1));
        const error = await failure(load(files, option));
        expect(error.code).toBe(code);
        expect(error.message).toContain(tensor);
        expect(error.message).toContain(checkpoint.entries.get(tensor)!.file);
      });
    }

    test('a source that ends early', async () => {
      const files = await readTinyModel('llama3-f16');
      const source = new MemorySource(files);
      source.readRange = async function* (path: string, begin: number, end: number) {
        yield files.get(path)!.slice(begin, end > 200_000 ? end - 5000 : end);
      };
      const error = await failure(load(files, 'q4', { source }));
      expect(error.code).toBe('download-failed');
      expect(error.message).toMatch(/model\.safetensors.*tensor model\./);
    });

    test('an aborted signal stops the load and frees everything', async () => {
      const tracked = trackBuffers(gpu());
      const controller = new AbortController();
      const error = await failure(
        load(await readTinyModel('llama-f32'), 'q4', {
          gpu: tracked.gpu,
          signal: controller.signal,
          onProgress: (loaded) => loaded > 500_000 && controller.abort(),
        }),
      );
      expect(error.code).toBe('aborted');
      expect(tracked.live()).toEqual([]);
    });

    test('a device that refuses a buffer: out-of-memory, named, and everything freed', async () => {
      const tracked = trackBuffers(gpu(), 'layer[1].down.weights');
      const error = await failure(load(await readTinyModel('llama-f32'), 'q4', { gpu: tracked.gpu }));
      expect(error.code).toBe('out-of-memory');
      expect(error.message).toContain('layer[1].down');
      expect(tracked.live()).toEqual([]);
    });

    test('a device lost in the middle', async () => {
      const doomed = await openTestGpu();
      const error = await failure(
        load(await readTinyModel('llama-f32'), 'q8', {
          gpu: doomed,
          onProgress: (loaded) => loaded > 1_000_000 && doomed.dispose(),
        }),
      );
      expect(error.code).toBe('device-lost');
    });

    test('a row larger than the device binds', async () => {
      const error = await failure(load(await readTinyModel('llama-f32'), 'stored', { maxPartBytes: 500 }));
      expect(error.code).toBe('limit-exceeded');
      expect(error.message).toContain('embedding');
    });
  });

  interface LoadCase extends LoadWeightsOptions {
    readonly source?: MemorySource;
    readonly maxPartBytes?: number;
    readonly gpu?: Gpu;
  }

  interface Loaded {
    readonly model: OpenedModel;
    readonly plan: WeightPlan;
    readonly weights: GpuWeights;
  }

  async function load(
    files: Files,
    weights: WeightsOption | WeightsChoice,
    how: LoadCase = {},
  ): Promise<Loaded> {
    const device = how.gpu ?? gpu();
    const model = await openModel(how.source ?? new MemorySource(files));
    const maxPartBytes = how.maxPartBytes ?? partLimit(device.device.limits);
    const plan = planWeights({
      config: model.config,
      manifest: model.manifest,
      entries: model.entries,
      weights,
      maxPartBytes,
    });
    const loaded = await loadWeights(device, model.source, plan, how);
    for (const matrix of [loaded.embedding, loaded.head, ...loaded.layers.flatMap((layer) => layer.gateUp)]) {
      for (const { weights: part } of matrix.parts)
        expect(part.buffer.size).toBeLessThanOrEqual(maxPartBytes);
    }
    return { model, plan, weights: loaded };
  }

  async function expectEqualWeights(
    weights: GpuWeights,
    model: OpenedModel,
    file: Checkpoint,
  ): Promise<void> {
    expect(weights.head === weights.embedding).toBe(model.config.isTied);
    expect(weights.layers.length).toBe(model.config.layers);
    for (const [got, modules] of matrixModules(weights)) {
      const values = await readMatrices(gpu(), got);
      const expected = modules.flatMap((module) => [...file.matrix(module)]);
      expect(firstDifference(values, expected), modules.join()).toBe(-1);
    }
    for (const [got, names] of vectorNames(weights)) {
      const present = names.filter((name) => file.has(name));
      expect(present.length === 0 || present.length === names.length).toBe(true);
      const expected = present.flatMap((name) => [...file.values(name)]);
      expect(await readVector(gpu(), got), names.join()).toEqual(expected.length === 0 ? null : expected);
    }
  }

  /** Columns of the odd model do not divide into groups: everything is rounded to f16. */
  async function expectHalves(weights: GpuWeights, file: Checkpoint): Promise<void> {
    for (const [got, modules] of matrixModules(weights)) {
      expect(new Set(got.map(({ format }) => format.kind))).toEqual(new Set(['f16']));
      const values = await readMatrices(gpu(), got);
      const expected = modules.flatMap((module) => [...file.matrix(module)]);
      expectWithin(values, expected, got[0]!.columns, 0, modules.join());
    }
  }
});

/** Each record's matrices with the modules whose rows they must hold, in order. */
function matrixModules(weights: GpuWeights): [GpuWeights['layers'][number]['qkv'], string[]][] {
  const layers = weights.layers.flatMap((layer, index): [GpuWeights['layers'][number]['qkv'], string[]][] => {
    const attention = (name: string): string => `model.layers.${index}.self_attn.${name}_proj`;
    const mlp = (name: string): string => `model.layers.${index}.mlp.${name}_proj`;
    return [
      [layer.qkv, ['q', 'k', 'v'].map(attention)],
      [[layer.output], [attention('o')]],
      [layer.gateUp, ['gate', 'up'].map(mlp)],
      [[layer.down], [mlp('down')]],
    ];
  });
  const head = weights.head === weights.embedding ? 'model.embed_tokens' : 'lm_head';
  return [[[weights.embedding], ['model.embed_tokens']], [[weights.head], [head]], ...layers];
}

function vectorNames(weights: GpuWeights): [GpuWeights['layers'][number]['qkvBias'], string[]][] {
  const layers = weights.layers.flatMap(
    (layer, index): [GpuWeights['layers'][number]['qkvBias'], string[]][] => {
      const at = (name: string): string => `model.layers.${index}.${name}`;
      return [
        [layer.attentionNorm, [at('input_layernorm.weight')]],
        [layer.mlpNorm, [at('post_attention_layernorm.weight')]],
        [layer.queryNorm, [at('self_attn.q_norm.weight')]],
        [layer.keyNorm, [at('self_attn.k_norm.weight')]],
        [layer.qkvBias, ['q', 'k', 'v'].map((name) => at(`self_attn.${name}_proj.bias`))],
        [layer.outputBias, [at('self_attn.o_proj.bias')]],
        [layer.gateUpBias, ['gate', 'up'].map((name) => at(`mlp.${name}_proj.bias`))],
        [layer.downBias, [at('mlp.down_proj.bias')]],
      ];
    },
  );
  return [[weights.finalNorm, ['model.norm.weight']], ...layers];
}

function firstDifference(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (got.length !== expected.length) return Math.min(got.length, expected.length);
  for (let i = 0; i < got.length; i++) if (got[i] !== expected[i]) return i;
  return -1;
}

/** Half a step of the group's scale plus what rounding scale and bias to f16 adds; f16: half a unit in the last place. */
function expectWithin(
  got: ArrayLike<number>,
  expected: readonly number[],
  columns: number,
  levels: number,
  what: string,
): void {
  expect(got.length).toBe(expected.length);
  for (let start = 0; start < expected.length; start += levels === 0 ? columns : 32) {
    const group = expected.slice(start, start + (levels === 0 ? columns : 32));
    const size = Math.max(...group.map(Math.abs));
    const range = Math.max(...group) - Math.min(...group);
    group.forEach((value, i) => {
      const bound =
        levels === 0
          ? Math.abs(value) * 2 ** -11 + 2 ** -25
          : (range / levels) * (0.5 + 2 ** -10) + (range + size) * 2 ** -11 + levels * 2 ** -25;
      const difference = Math.abs(got[start + i]! - value);
      if (!(difference <= bound)) {
        throw new Error(`${what}[${start + i}]: expected ${value}, got ${got[start + i]}, bound ${bound}`);
      }
    });
  }
}

async function failure(work: Promise<unknown>): Promise<AppError> {
  const outcome = await work.then(
    () => 'no error',
    (error: unknown) => error,
  );
  if (outcome instanceof AppError) return outcome;
  throw outcome;
}

/** The same device, counting buffers that are not destroyed. A buffer labelled `refused` is asked for larger than the
 *  device allows, which it refuses as it refuses what does not fit. */
function trackBuffers(gpu: Gpu, refused?: string): { gpu: Gpu; live: () => string[] } {
  const live = new Map<GPUBuffer, string>();
  const device = new Proxy(gpu.device, {
    get(target, property) {
      if (property === 'createBuffer') {
        return (descriptor: GPUBufferDescriptor): GPUBuffer => {
          const tooLarge = descriptor.label === refused ? { size: target.limits.maxBufferSize + 16 } : {};
          const buffer = target.createBuffer({ ...descriptor, ...tooLarge });
          live.set(buffer, descriptor.label ?? '');
          const destroy = buffer.destroy.bind(buffer);
          buffer.destroy = () => {
            live.delete(buffer);
            return destroy();
          };
          return buffer;
        };
      }
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const tracked = Object.create(gpu, { device: { value: device } }) as Gpu;
  return { gpu: tracked, live: () => [...live.values()] };
}

const oddConfig = {
  model_type: 'llama',
  hidden_size: 72,
  intermediate_size: 50,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  head_dim: 34,
  vocab_size: 77,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  attention_bias: true,
  mlp_bias: true,
  tie_word_embeddings: false,
};

/** Nothing divides into 32, tensors begin at odd places, types differ from tensor to tensor. */
function oddModel(random: Random): Files {
  const { hidden_size: hidden, intermediate_size: ffn, vocab_size: vocab } = oddConfig;
  const types = ['F32', 'F16', 'BF16'] as const;
  const tensor = (name: string, shape: readonly number[], dtype = types[random.integer(0, 2)]!): TensorData =>
    randomTensor(random, name, dtype, shape);
  const linear = (name: string, rows: number, columns: number, dtype?: 'F16'): TensorData[] => [
    tensor(`${name}.weight`, [rows, columns], dtype),
    tensor(`${name}.bias`, [rows]),
  ];
  const layers = [0, 1].flatMap((index) => {
    const at = (name: string): string => `model.layers.${index}.${name}`;
    return [
      tensor(at('input_layernorm.weight'), [hidden]),
      tensor(at('post_attention_layernorm.weight'), [hidden]),
      ...linear(at('self_attn.q_proj'), 68, hidden),
      ...linear(at('self_attn.k_proj'), 34, hidden),
      ...linear(at('self_attn.v_proj'), 34, hidden),
      ...linear(at('self_attn.o_proj'), hidden, 68),
      // The same type, so that only their size keeps them apart.
      ...linear(at('mlp.gate_proj'), ffn, hidden, 'F16'),
      ...linear(at('mlp.up_proj'), ffn, hidden, 'F16'),
      ...linear(at('mlp.down_proj'), hidden, ffn),
    ];
  });
  const tensors = [
    tensor('model.embed_tokens.weight', [vocab, hidden]),
    tensor('lm_head.weight', [vocab, hidden]),
    tensor('model.norm.weight', [hidden]),
    tensor('unused.by.anyone', [3], 'F16'),
    ...layers,
  ];
  return withConfig(
    writeShards(shuffled(random, tensors), () => random.integer(1, 3)),
    oddConfig,
  );
}

const quantizedConfig = {
  ...oddConfig,
  hidden_size: 128,
  intermediate_size: 128,
  head_dim: 64,
  num_hidden_layers: 1,
  attention_bias: false,
  mlp_bias: false,
  tie_word_embeddings: true,
  quantization: { bits: 4, group_size: 128, 'model.embed_tokens': { bits: 8, group_size: 32 } },
};

function quantizedModel(random: Random): Files {
  const norm = (name: string): TensorData => randomTensor(random, name, 'F32', [128]);
  const linear = (
    module: string,
    rows: number,
    { bits = 4, group = 128, scales = 'F16', biases = 'F16' }: Partial<QuantizedTypes> = {},
  ): TensorData[] => [
    {
      name: `${module}.weight`,
      dtype: 'U32',
      shape: [rows, (128 * bits) / 32],
      bytes: new Uint8Array(random.words((rows * 128 * bits) / 32).buffer),
    },
    randomTensor(random, `${module}.scales`, scales, [rows, 128 / group]),
    randomTensor(random, `${module}.biases`, biases, [rows, 128 / group]),
  ];
  const at = (name: string): string => `model.layers.0.${name}`;
  const tensors = [
    ...linear('model.embed_tokens', 77, { bits: 8, group: 32 }),
    norm('model.norm.weight'),
    norm(at('input_layernorm.weight')),
    norm(at('post_attention_layernorm.weight')),
    ...linear(at('self_attn.q_proj'), 128, { biases: 'BF16' }),
    ...linear(at('self_attn.k_proj'), 64),
    ...linear(at('self_attn.v_proj'), 64),
    ...linear(at('self_attn.o_proj'), 128, { scales: 'F32', biases: 'F32' }),
    ...linear(at('mlp.gate_proj'), 128),
    ...linear(at('mlp.up_proj'), 128),
    ...linear(at('mlp.down_proj'), 128, { scales: 'BF16', biases: 'F16' }),
  ];
  const files = writeShards(shuffled(random, tensors), () => random.integer(1, 3));
  return withConfig(files, quantizedConfig);
}

interface QuantizedTypes {
  readonly bits: 4 | 8;
  readonly group: 32 | 128;
  readonly scales: 'F32' | 'F16' | 'BF16';
  readonly biases: 'F32' | 'F16' | 'BF16';
}

function withConfig(files: Files, config: unknown): Files {
  return files.set('config.json', new TextEncoder().encode(JSON.stringify(config)));
}

function shuffled<T>(random: Random, items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, key: random.next() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}
