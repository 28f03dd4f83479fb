/** Every intermediate tensor of the default model for one prompt, against transformers. Prefill runs the dispatches one
 *  by one and reads what each leaves; decode repeats the layers' outputs token by token. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPrefillActivations } from '../../src/engine/network/activations.ts';
import { decodeLayer } from '../../src/engine/network/decode-layer.ts';
import type { Network } from '../../src/engine/network/network.ts';
import { prefillLayer } from '../../src/engine/network/prefill-layer.ts';
import { writeStep } from '../../src/engine/network/step.ts';
import { Arena } from '../../src/kernels/runtime/arena.ts';
import { type Dispatch, submitDispatches } from '../../src/kernels/runtime/dispatch.ts';
import type { Gpu } from '../../src/kernels/runtime/gpu.ts';
import { readF32 } from '../../src/kernels/runtime/readback.ts';
import type { Tensor } from '../../src/kernels/runtime/tensor.ts';
import { onHardware } from '../../src/kernels/testing/on-hardware.ts';
import { withGpu } from '../../src/kernels/testing/with-gpu.ts';
import { type GoldenTensor, readTensors, relativeRms } from '../support/golden.ts';
import { expectIntegerProducts, withIntegerProducts } from '../support/integer-products.ts';
import { openNetwork } from '../support/open-network.ts';
import { MemorySource, readDefaultModel, readTestFile } from '../support/test-files.ts';

/** Relative RMS of a tensor. */
const bound = 1e-3;

/** What rounding keys and values to f16 alone may come to where that is more. Which way a half is rounded hangs on the last
 *  bits of f32, so each is mean plus six deviations of 40 computations in double precision that differ in such noise. */
const boundsOfCache: ReadonlyMap<string, number> = new Map([
  ['layers.14.attention', 1.1e-3],
  ['layers.14.attention_output', 1.11e-3],
  ['layers.14.mlp_activation', 1.09e-3],
  ['layers.14.mlp_output', 1.09e-3],
  ['layers.29.value', 1.11e-3],
  ['layers.29.attention', 1.27e-3],
  ['layers.29.attention_output', 1.42e-3],
  ['final_norm', 1.1e-3],
  ['logits', 1.21e-3],
]);

/** What a dispatch of a layer leaves, by its label in our records, and the reference's name for it. */
const tapsOfLayer = {
  attentionNorm: 'attention_norm',
  attention: 'attention',
  mlpNorm: 'mlp_norm',
  activated: 'mlp_activation',
} as const;

describe('taps of the default model', () => {
  const gpu = withGpu();
  let network: Network;
  let golden: Map<string, GoldenTensor>;
  let prompt: readonly number[];
  const seen = new Set<string>();

  beforeAll(async () => {
    network = await open(gpu());
    const folder = 'golden/SmolLM2-135M-Instruct-4bit';
    golden = readTensors('taps.safetensors', (await readTestFile(`${folder}/taps.safetensors`))!);
    prompt = [...golden.get('ids')!.values];
    golden.delete('ids');
  });
  afterAll(() => network?.dispose());

  async function open(device: Gpu): Promise<Network> {
    const source = new MemorySource(await readDefaultModel(), () => 2 ** 20);
    return openNetwork(device, source, { context: 1024 });
  }

  function expectTap(name: string, got: ArrayLike<number>): void {
    const tensor = golden.get(name);
    if (!tensor) return;
    expect(relativeRms(got, tensor.values), `relative RMS of ${name}`).toBeLessThan(
      boundsOfCache.get(name) ?? bound,
    );
    seen.add(name);
  }

  test('prefill: every tensor is the reference tensor', async () => {
    const { config, kernels, weights, cache } = network;
    const rows = prompt.length;
    const arena = new Arena(gpu());
    const act = createPrefillActivations(arena, config, rows);
    gpu().device.queue.writeBuffer(act.ids.buffer, 0, Uint32Array.from(prompt));
    writeStep(gpu(), act.step, { position: 0, rows, index: 0 });
    submitDispatches(
      gpu(),
      kernels.embed(arena, 'embedding', weights.embedding, { tokens: act.ids, out: act.residual, rows }),
    );
    let residual = await readF32(gpu(), act.residual);
    expectTap('embedding', residual);

    const outputs: Record<string, Tensor> = {
      attentionNorm: act.normed,
      attention: act.attended,
      mlpNorm: act.normed,
      activated: act.activated,
    };
    for (let index = 0; index < config.layers; index++) {
      const layer = weights.layers[index]!;
      for (const dispatch of prefillLayer({ arena, index, kernels, layer, act, cache, rows })) {
        submitDispatches(gpu(), [dispatch]);
        await tap(index, dispatch);
      }
      residual = await readF32(gpu(), act.residual);
      expectTap(`layers.${index}.output`, residual);
    }
    submitDispatches(gpu(), [
      kernels.normRows(arena, 'finalNorm', {
        x: act.residual,
        gain: weights.finalNorm,
        out: act.normed,
        rows,
      }),
    ]);
    expectTap('final_norm', await readF32(gpu(), act.normed));
    const logits = arena.tensor('logits', 'f32', [rows, config.vocab]);
    submitDispatches(
      gpu(),
      kernels.projectRows(arena, 'logits', [weights.head], { x: act.normed, bias: null, out: logits, rows }),
    );
    expectTap('logits', await readF32(gpu(), logits));
    arena.dispose();
    expect([...golden.keys()].filter((name) => !seen.has(name))).toEqual([]);

    async function tap(index: number, dispatch: Dispatch): Promise<void> {
      if (!golden.has(`layers.${index}.attention_norm`)) return;
      const step = dispatch.label.split('.').at(-1)!;
      const layer = `layers.${index}`;
      if (step in tapsOfLayer) {
        const name = tapsOfLayer[step as keyof typeof tapsOfLayer];
        expectTap(`${layer}.${name}`, await readF32(gpu(), outputs[step]!));
      }
      if (step === 'qkv') {
        const [query, key, value] = splitColumns(await readF32(gpu(), act.qkv), rows, [
          config.qHeads * config.headDim,
          config.kvHeads * config.headDim,
          config.kvHeads * config.headDim,
        ]);
        expectTap(`${layer}.query`, query!);
        expectTap(`${layer}.key`, key!);
        expectTap(`${layer}.value`, value!);
      }
      if (step === 'query') {
        const rotated = await readF32(gpu(), act.query);
        expectTap(`${layer}.query_rotated`, headsFirst(rotated, rows, config.qHeads, config.headDim));
        expectTap(`${layer}.key_rotated`, await cachedKeys(index, rows));
      }
      if (step === 'attentionOutput' || step === 'mlpOutput') {
        const after = await readF32(gpu(), act.residual);
        const name = step === 'mlpOutput' ? 'mlp_output' : 'attention_output';
        expectTap(
          `${layer}.${name}`,
          after.map((value, i) => value - residual[i]!),
        );
        residual = after;
      }
    }
  });

  test('decode: the output of every layer is the reference output, token by token', () =>
    expectDecodedLayers(network));

  if (onHardware) {
    test('decode by whole numbers: likewise', async () => {
      const device = withIntegerProducts(gpu());
      const integers = await open(device);
      expectIntegerProducts(device, integers);
      await expectDecodedLayers(integers);
      integers.dispose();
    });
  }

  async function expectDecodedLayers(network: Network): Promise<void> {
    const { config, kernels, weights, cache, act } = network;
    const arena = new Arena(gpu());
    const got = new Map<string, number[]>();
    const policy = network.policies[0]!;
    for (const [position, token] of prompt.entries()) {
      gpu().device.queue.writeBuffer(act.token.buffer, 0, Uint32Array.of(token));
      writeStep(gpu(), act.step, { position, rows: 1, index: 0 });
      submitDispatches(
        gpu(),
        kernels.embed(arena, 'embedding', weights.embedding, {
          tokens: act.token,
          out: act.residual,
          rows: 1,
        }),
      );
      for (let index = 0; index < config.layers; index++) {
        submitDispatches(gpu(), decodeLayer({ arena, index, kernels, weights, act, cache, policy }));
        const row = (await readF32(gpu(), act.residual)).subarray(0, config.hidden);
        const name = `layers.${index}.output`;
        got.set(name, [...(got.get(name) ?? []), ...row]);
      }
    }
    arena.dispose();
    for (const [name, values] of got) {
      expect(relativeRms(values, golden.get(name)!.values), `relative RMS of ${name}`).toBeLessThan(bound);
    }
    expect(got.size).toBe(config.layers);
  }

  async function cachedKeys(index: number, rows: number): Promise<Float32Array> {
    const { kvHeads, headDim } = network.config;
    const { key } = network.cache.layer(index);
    const words = new Uint32Array((await readF32(gpu(), { ...key, dtype: 'f16-packed' })).buffer);
    const halves = new Uint16Array(words.buffer);
    const out = new Float32Array(kvHeads * rows * headDim);
    for (let head = 0; head < kvHeads; head++) {
      for (let i = 0; i < rows * headDim; i++) {
        out[head * rows * headDim + i] = halfToNumber(halves[head * network.cache.capacity * headDim + i]!);
      }
    }
    return out;
  }
});

function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  return exponent === 0 ? sign * mantissa * 2 ** -24 : sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

/** [rows, Σ widths] into one [rows, width] per width. */
function splitColumns(values: Float32Array, rows: number, widths: readonly number[]): Float32Array[] {
  const total = widths.reduce((sum, width) => sum + width, 0);
  let first = 0;
  return widths.map((width) => {
    const out = new Float32Array(rows * width);
    for (let row = 0; row < rows; row++) {
      out.set(values.subarray(row * total + first, row * total + first + width), row * width);
    }
    first += width;
    return out;
  });
}

/** [rows, heads, headDim] to [heads, rows, headDim]. */
function headsFirst(values: Float32Array, rows: number, heads: number, headDim: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let head = 0; head < heads; head++) {
      const from = (row * heads + head) * headDim;
      out.set(values.subarray(from, from + headDim), (head * rows + row) * headDim);
    }
  }
  return out;
}
