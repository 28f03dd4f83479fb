import { describe, expect, test } from 'vitest';
import { MemorySource, readTinyModel } from '../../../test/support/test-files.ts';
import type { DeviceSummary } from '../api.ts';
import { type MemoryPlanInput, planMemory } from './memory-plan.ts';
import { type OpenedModel, openModel } from './open-model.ts';
import { planWeights } from './plan-weights.ts';
import { matrixBytes } from './weight-plan.ts';

const mebi = 2 ** 20;
const device: DeviceSummary = {
  description: 'default limits',
  isCpu: false,
  kernelVariant: 'workgroup',
  maxBufferBytes: 256 * mebi,
  maxBindingBytes: 128 * mebi,
};

const tiny = async (name: string, config: Record<string, unknown> = {}): Promise<OpenedModel> => {
  const files = await readTinyModel(name);
  const changed = {
    ...(JSON.parse(new TextDecoder().decode(files.get('config.json'))) as object),
    ...config,
  };
  files.set('config.json', new TextEncoder().encode(JSON.stringify(changed)));
  return openModel(new MemorySource(files));
};

function inputFor(model: OpenedModel, more: Partial<MemoryPlanInput> = {}): MemoryPlanInput {
  const { config, manifest, entries, licence, hashSizes } = model;
  return {
    config,
    manifest,
    weights: planWeights({ config, manifest, entries, weights: 'q4', maxPartBytes: device.maxBindingBytes }),
    downloadBytes: model.weightFiles.reduce((total, { size }) => total + size, 0),
    licence,
    hashSizes,
    device,
    scratchBytes: 1000,
    ...more,
  };
}

describe('the memory plan', () => {
  test('counts parameters, weights and cache of llama-f32 at 4 bits', async () => {
    const model = await tiny('llama-f32');
    const plan = planMemory(inputFor(model, { contextLength: 100 }));
    // Per layer: 4 attention matrices 128 × 128, 3 of the MLP 384 × 128, 2 norms; two ends 640 × 128; the final norm.
    const inLayer = 4 * 128 * 128 + 3 * 384 * 128;
    expect(plan.parameters).toBe(3 * (inLayer + 2 * 128) + 2 * 640 * 128 + 128);
    // Per group of 32: 16 bytes of q4 or 32 of q8, and 4 of scale and bias; norms in f32.
    const weightBytes = (3 * inLayer * 20) / 32 + (2 * 640 * 128 * 36) / 32 + 7 * 128 * 4;
    expect(plan.weightBytes).toBe(weightBytes);
    // 3 layers, keys and values, 4 heads of 32, 2 bytes.
    expect(plan.kvCacheBytes).toBe(100 * 3 * 2 * 4 * 32 * 2);
    // Random projections: 4 query maps and 4 key maps of 32 rows of 32 halves and a bias; 4 signatures of 32 bits a
    // token; one block's sums of keys and values for 4 heads, in f32.
    expect(plan.hashBytes).toBe(3 * (8 * 32 * (32 * 2 + 4) + 100 * 4 * 4 + 4 * 2 * 32 * 4));
    expect(plan.totalBytes).toBe(weightBytes + plan.kvCacheBytes + plan.hashBytes + 1000);
    expect(plan.weightsDescription).toBe('q4 (group 32), embedding q8 (group 32), head q8 (group 32)');
    expect(plan.downloadBytes).toBe(3218016);
    expect(plan.problems).toEqual([]);
  });

  test('counts padding of rows that are no multiple of 32 columns', () => {
    const plan = {
      label: 'm',
      rows: 5,
      columns: 33,
      format: { kind: 'f16' },
      rowsPerPart: 2,
      sections: [],
    } as const;
    expect(matrixBytes(plan)).toBe(5 * 64 * 2);
  });

  test('a quantised model keeps its own formats', async () => {
    const plan = planMemory(inputFor(await tiny('llama-mlx4-bf16')));
    expect(plan.weightsDescription).toBe('q4 (group 64, f32 scales), head bf16');
  });

  test('plans the trained context at most, 8192 at most, and no more than a window', async () => {
    const lengths = [];
    for (const config of [
      {},
      { max_position_embeddings: 100_000 },
      { max_position_embeddings: 100_000, sliding_window: 4096 },
    ]) {
      lengths.push(planMemory(inputFor(await tiny('mistral-bf16', config))).contextLength);
    }
    expect(lengths).toEqual([1024, 8192, 4096]);
  });

  test('a context beyond the trained one is a problem, or YaRN where it is asked for', async () => {
    const model = await tiny('llama-f32');
    expect(planMemory(inputFor(model, { contextLength: 3072 })).problems).toEqual([
      expect.stringMatching(/3072 tokens goes beyond the 1024/),
    ]);
    const extended = planMemory(inputFor(model, { contextLength: 3072, extendContext: 'yarn' }));
    expect(extended.problems).toEqual([]);
    expect(extended.contextExtension).toEqual({ method: 'yarn', factor: 3 });
    const scaled = inputFor(await tiny('llama3-f16'), { contextLength: 3072, extendContext: 'yarn' });
    expect(planMemory(scaled).problems).toEqual([expect.stringContaining('llama3')]);
  });

  test('a sliding window smaller than the planned context is a problem', async () => {
    const model = await tiny('mistral-bf16', { sliding_window: 512 });
    expect(planMemory(inputFor(model, { contextLength: 513 })).problems).toEqual([
      expect.stringContaining('sliding window of 512'),
    ]);
    expect(planMemory(inputFor(model, { contextLength: 512 })).problems).toEqual([]);
  });

  test('a cache larger than one binding is a problem, with the largest context that fits', async () => {
    const model = await tiny('llama-f32', { max_position_embeddings: 10_000_000 });
    const { problems } = planMemory(inputFor(model, { contextLength: 600_000 }));
    expect(problems).toEqual([expect.stringContaining('Plan at most 524288 tokens')]);
    expect(planMemory(inputFor(model, { contextLength: 524_288 })).problems).toEqual([]);
    for (const [kvHeads, most] of [
      [3, 174_760], // 768 bytes a token: not a multiple of four tokens to the limit
      [1, 262_144], // angles take more than keys
    ] as const) {
      const config = { ...model.config, kvHeads, headDim: 128 };
      const problemsAt = (contextLength: number) =>
        planMemory({ ...inputFor(model, { contextLength }), config }).problems;
      expect(problemsAt(most)).toEqual([]);
      expect(problemsAt(most + 1)).toEqual([expect.stringContaining(`Plan at most ${most} tokens`)]);
    }
  });

  test('a context length that is none is refused', async () => {
    const model = await tiny('llama-f32');
    for (const contextLength of [0, -1, 1.5, Number.NaN]) {
      expect(() => planMemory(inputFor(model, { contextLength }))).toThrow('positive integer');
    }
  });
});
