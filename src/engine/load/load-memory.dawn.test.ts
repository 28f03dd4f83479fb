import { describe, expect, test } from 'vitest';
import { MemorySource } from '../../../test/support/test-files.ts';
import { Random, runSeed } from '../../kernels/testing/random.ts';
import { withGpu } from '../../kernels/testing/with-gpu.ts';
import { parseModelConfig } from '../../model/config.ts';
import { weightManifest } from '../../model/weight-manifest.ts';
import { loadWeights } from './load-weights.ts';
import { openModel } from './open-model.ts';
import { partLimit, planWeights } from './plan-weights.ts';

/** 175 MB of F32 in one file. */
const config = {
  model_type: 'llama',
  hidden_size: 2048,
  intermediate_size: 4096,
  num_hidden_layers: 1,
  num_attention_heads: 16,
  num_key_value_heads: 4,
  vocab_size: 4000,
  max_position_embeddings: 2048,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: true,
};
const mebi = 2 ** 20;

const { memoryUsage } = (globalThis as unknown as { process: { memoryUsage: () => NodeJS.MemoryUsage } })
  .process;

describe(`memory while loading (seed ${runSeed})`, () => {
  const gpu = withGpu();

  // In Node alone, as browsers give no figure that counts ArrayBuffers: it must stay small whatever the model's size.
  test('a 175 MB file passes through JavaScript in less than 64 MiB', async () => {
    const source = new EndlessSource();
    const model = await openModel(source);
    const maxPartBytes = partLimit(gpu().device.limits);
    const { manifest, entries } = model;
    const plan = planWeights({ config: model.config, manifest, entries, weights: 'f16', maxPartBytes });
    const used = (): number => {
      const { heapUsed, arrayBuffers } = memoryUsage();
      return heapUsed + arrayBuffers;
    };
    const before = used();
    let most = 0;
    let total = 0;
    const weights = await loadWeights(gpu(), source, plan, {
      onProgress: (_, totalBytes) => {
        total = totalBytes;
        most = Math.max(most, used() - before);
      },
    });
    expect(total).toBeGreaterThan(160 * mebi);
    expect(most / mebi).toBeLessThan(64);
    weights.dispose();
  });
});

/** A checkpoint whose weights are made while they are read. */
class EndlessSource extends MemorySource {
  readonly #header: Uint8Array<ArrayBuffer>;
  readonly #size: number;
  readonly #values = new Uint8Array(new Random(runSeed).normals(mebi / 4).buffer);

  constructor() {
    super(new Map([['config.json', new TextEncoder().encode(JSON.stringify(config))]]));
    let end = 0;
    const entries = weightManifest(parseModelConfig(config)).tensors.map(({ name, shape }) => {
      const begin = end;
      end += shape.reduce((product, size) => product * size, 4);
      return [name, { dtype: 'F32', shape, data_offsets: [begin, end] }] as const;
    });
    const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
    this.#header = new Uint8Array(8 + json.length);
    new DataView(this.#header.buffer).setUint32(0, json.length, true);
    this.#header.set(json, 8);
    this.#size = this.#header.length + end;
  }

  override async stat(path: string) {
    return path === 'model.safetensors' ? { size: this.#size, etag: null } : super.stat(path);
  }

  override async *readRange(path: string, begin: number, end: number) {
    if (path !== 'model.safetensors') {
      yield* super.readRange(path, begin, end);
      return;
    }
    for (let at = begin; at < end; ) {
      const piece =
        at < this.#header.length ? this.#header.slice(at, end) : this.#values.subarray(0, end - at);
      at += piece.length;
      yield piece;
    }
  }
}
