import { describe, expect, test } from 'vitest';
import { Checkpoint, encode } from '../../../test/support/checkpoint.ts';
import { MemorySource, readTestFile } from '../../../test/support/test-files.ts';
import { readF32, readU32 } from '../../kernels/runtime/readback.ts';
import { floatFromHalf } from '../../kernels/shared/half.ts';
import * as kernelLimits from '../../kernels/shared/signature-map.ts';
import { Random, runSeed } from '../../kernels/testing/random.ts';
import { withGpu } from '../../kernels/testing/with-gpu.ts';
import { type ModelConfig, parseModelConfig } from '../../model/config.ts';
import { hashMapsFile, maxMapStages, maxMapWidth } from '../../model/hash-maps.ts';
import { randomProjection } from '../../model/random-projection.ts';
import { type TensorData, writeSafetensors } from '../../model/write-safetensors.ts';
import type { GpuSignatureMap } from './gpu-hash-maps.ts';
import { loadHashMaps, openHashMaps } from './load-hash-maps.ts';
import { createUntrainedHashMaps } from './untrained-hash-maps.ts';

const metadata = {
  format: 'hash-attention',
  version: '1',
  bits: '64',
  sharing: 'query-head',
  score: 'hamming',
  query_bits: '4',
  activation: 'silu',
  model: 'random',
  trained_length: '128',
};

const config: ModelConfig = parseModelConfig({
  model_type: 'llama',
  hidden_size: 192,
  intermediate_size: 64,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 48,
  vocab_size: 10,
  max_position_embeddings: 128,
  rms_norm_eps: 1e-5,
});

const widthsOf = { query: [48, 21, 7, 64], key: [48, 64] };

/** Maps of odd widths for every layer, each tensor in one of both types, in any order. */
function randomMaps(random: Random, change: (tensor: TensorData) => TensorData = (same) => same) {
  const tensors: { order: number; tensor: TensorData }[] = [];
  const add = (name: string, shape: readonly number[]) => {
    const dtype = random.integer(0, 1) === 0 ? 'F16' : 'F32';
    const values = random.normals(shape.reduce((product, size) => product * size, 1));
    const tensor = change({ name, dtype, shape, bytes: encode(values, dtype) });
    tensors.push({ order: random.next(), tensor });
  };
  for (let layer = 0; layer < config.layers; layer++) {
    for (const [kind, widths] of Object.entries(widthsOf)) {
      widths.slice(1).forEach((outputs, stage) => {
        const module = `layers.${layer}.${kind}.${stage}`;
        add(`${module}.weight`, [config.qHeads, outputs, widths[stage]!]);
        add(`${module}.bias`, [config.qHeads, outputs]);
      });
    }
  }
  const inFile = tensors.sort((a, b) => a.order - b.order).map(({ tensor }) => tensor);
  return new Map([[hashMapsFile, writeSafetensors(inFile, metadata)]]);
}

describe(`signature maps (seed ${runSeed})`, () => {
  const gpu = withGpu();

  test('what the header accepts is what the kernels run', () => {
    expect([maxMapWidth, maxMapStages]).toEqual([kernelLimits.maxMapWidth, kernelLimits.maxMapStages]);
  });

  async function load(source: MemorySource, of: ModelConfig) {
    const maps = await openHashMaps(source, of);
    if (!maps) throw new Error('the source has maps');
    return { maps, loaded: await loadHashMaps(gpu(), source, maps) };
  }

  /** Every weight and bias of a map in GPU memory against the file, and zeros between rows. */
  async function expectFromFile(map: GpuSignatureMap, file: Checkpoint, module: string): Promise<void> {
    const words = await readU32(gpu(), map.weights);
    const halves = new Uint16Array(words.buffer, words.byteOffset, words.length * 2);
    const biases = await readF32(gpu(), map.biases);
    let [row, at, wrong] = [0, 0, 0];
    for (let stage = 0; stage + 1 < map.widths.length; stage++) {
      const weight = file.values(`${module}.${stage}.weight`);
      const bias = file.values(`${module}.${stage}.bias`);
      const inputs = map.widths[stage]!;
      expect(weight.length).toBe(map.heads * map.widths[stage + 1]! * inputs);
      for (let r = 0; r < bias.length; r++) {
        if (biases[row++] !== bias[r]) wrong++;
        for (let column = 0; column < Math.ceil(inputs / 8) * 8; column++) {
          const expected = column < inputs ? weight[r * inputs + column]! : 0;
          // A half has 11 significant bits, and below 2⁻¹⁴ steps of 2⁻²⁴.
          const bound = Math.max(Math.abs(expected) * 2 ** -11, 2 ** -25);
          if (Math.abs(floatFromHalf(halves[at++]!) - expected) > bound) wrong++;
        }
      }
    }
    expect([wrong, at, row], module).toEqual([0, halves.length, biases.length]);
  }

  test('the reference maps of the default model, in pieces of any size', async () => {
    const random = new Random(runSeed);
    const path = 'golden/SmolLM2-135M-Instruct-4bit/hash_attention.safetensors';
    const bytes = await readTestFile(path);
    if (!bytes) throw new Error(`no ${path}`);
    const files = new Map([[hashMapsFile, bytes]]);
    const source = new MemorySource(files, () => random.integer(1, 100_000));
    const shape = { ...config, layers: 30, qHeads: 9, kvHeads: 3, headDim: 64 };
    const { maps, loaded } = await load(source, shape);
    expect(maps).toMatchObject({ bits: 32, sharing: 'kv-head', score: 'asymmetric', queryBits: 4 });
    expect(loaded).toMatchObject({ bits: 32, sharing: 'kv-head', width: 64 });
    // One request for the header, one for all tensors.
    expect(source.reads).toHaveLength(2);
    const file = new Checkpoint(files);
    for (const layer of [0, 13, 29]) {
      const { query, key } = loaded.layers[layer]!;
      expect([query.heads, key.heads]).toEqual([9, 3]);
      await expectFromFile(query, file, `layers.${layer}.query`);
      await expectFromFile(key, file, `layers.${layer}.key`);
    }
    loaded.dispose();
  });

  test('odd widths, three stages, both types, tensors in any order, key maps per query head', async () => {
    const random = new Random(runSeed + 1);
    const files = randomMaps(random);
    const { loaded } = await load(new MemorySource(files, () => random.integer(1, 999)), config);
    expect(loaded).toMatchObject({ bits: 64, sharing: 'query-head', width: 64 });
    for (const [layer, { query, key }] of loaded.layers.entries()) {
      expect([query.widths, key.widths]).toEqual([widthsOf.query, widthsOf.key]);
      await expectFromFile(query, new Checkpoint(files), `layers.${layer}.query`);
      await expectFromFile(key, new Checkpoint(files), `layers.${layer}.key`);
    }
    loaded.dispose();
  });

  test('a model without maps has none', async () => {
    expect(await openHashMaps(new MemorySource(new Map()), config)).toBeNull();
  });

  const at = 'layers.1.query.1';
  test.each([
    ['F16', 'weight', Number.NaN, 'file-malformed', 'not finite'],
    ['F32', 'weight', Number.POSITIVE_INFINITY, 'file-malformed', 'not finite'],
    ['F32', 'weight', 70_000, 'model-unsupported', 'beyond ±65504'],
    ['F16', 'bias', Number.NEGATIVE_INFINITY, 'file-malformed', 'not finite'],
    ['F32', 'bias', Number.NaN, 'file-malformed', 'not finite'],
  ] as const)('%s %s of %d is refused by name', async (dtype, kind, bad, code, fault) => {
    const files = randomMaps(new Random(runSeed + 2), (tensor) => {
      if (tensor.name !== `${at}.${kind}`) return tensor;
      const values = new Float32Array(tensor.shape.reduce((product, size) => product * size, 1));
      values[values.length - 1] = bad;
      return { ...tensor, dtype, bytes: encode(values, dtype) };
    });
    await expect(load(new MemorySource(files), config)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(new RegExp(`tensor ${at}.${kind} holds values.*${fault}`)),
    });
  });

  test('a file that ends early, and a caller who stops', async () => {
    const source = new MemorySource(randomMaps(new Random(runSeed + 3)));
    const maps = await openHashMaps(source, config);
    if (!maps) throw new Error('the source has maps');
    const cut = new MemorySource(source.files);
    cut.readRange = (path, begin, end) => source.readRange(path, begin, end - 1);
    await expect(loadHashMaps(gpu(), cut, maps)).rejects.toMatchObject({ code: 'download-failed' });
    const signal = AbortSignal.abort();
    await expect(loadHashMaps(gpu(), source, maps, { signal })).rejects.toMatchObject({ code: 'aborted' });
  });

  test('without maps: random projections, the same for a group, centred on the mean key', async () => {
    const maps = await createUntrainedHashMaps(gpu(), config, { bits: 32, seed: 7 });
    const means = new Random(runSeed + 4).normals(2 * 48);
    maps.centre(1, means);
    for (const [layer, { query, key }] of maps.layers.entries()) {
      const rows = (kvHead: number) => randomProjection(7, { layer, kvHead }, { bits: 32, headDim: 48 });
      const halvesOf = async (map: GpuSignatureMap) => {
        const words = await readU32(gpu(), map.weights);
        return Array.from(new Uint16Array(words.buffer, words.byteOffset, words.length * 2), floatFromHalf);
      };
      expect(await halvesOf(key)).toEqual([...rows(0), ...rows(1)]);
      expect(await halvesOf(query)).toEqual([0, 0, 1, 1].flatMap((kvHead) => [...rows(kvHead)]));
      const biases = await readF32(gpu(), key.biases);
      const expected = Float32Array.from({ length: 64 }, (_, bit) => {
        if (layer === 0) return 0;
        const kvHead = Math.floor(bit / 32);
        const row = rows(kvHead).subarray((bit % 32) * 48, ((bit % 32) + 1) * 48);
        return -row.reduce((sum, weight, d) => sum + weight * means[kvHead * 48 + d]!, 0);
      });
      expect(Math.max(...biases.map((bias, i) => Math.abs(bias - expected[i]!)))).toBeLessThan(1e-5);
      expect([...(await readF32(gpu(), query.biases))]).toEqual(new Array(4 * 32).fill(0));
    }
    maps.dispose();
  });
});
