/** One tiny random checkpoint per architecture feature, against transformers on the same weights. */
import { describe, expect, test } from 'vitest';
import { GpuTokenEngine } from '../../src/engine/gpu-token-engine.ts';
import type { WeightsChoice } from '../../src/engine/load/weight-formats.ts';
import { type ScoredRows, scorePrompt, scoreSteps } from '../../src/engine/network/score.ts';
import { onHardware } from '../../src/kernels/testing/on-hardware.ts';
import { withGpu } from '../../src/kernels/testing/with-gpu.ts';
import { argMax, greedyRequest, readTensors } from '../support/golden.ts';
import { expectIntegerProducts, withIntegerProducts } from '../support/integer-products.ts';
import { openNetwork } from '../support/open-network.ts';
import { MemorySource, readTestFile, readTinyModel, tinyModelNames } from '../support/test-files.ts';

/** An f16 cache moves these models' logits by up to 0.022 (simulated on the reference). */
const logitBound = 0.03;

/** Models whose 4-bit products are also computed by whole numbers, and for how many tokens: CPU adapters are slow at it. */
const integers = onHardware
  ? { models: ['llama-mlx4-g32', 'llama-mlx4-g64', 'llama-mlx4-bf16'], tokens: 160 }
  : { models: ['llama-mlx4-g32'], tokens: 65 };

interface TinyGolden {
  readonly prompt_ids: readonly number[];
  readonly tokens: readonly number[];
  readonly top1_top2_gap: readonly number[];
}

describe('tiny models', () => {
  const gpu = withGpu();

  for (const name of tinyModelNames) {
    test(`${name} gives the reference's logits and greedy tokens`, async () => {
      const network = await openNetwork(gpu(), new MemorySource(await readTinyModel(name)));
      await expectLogits(network, name, logitBound);
      await expectGreedyTokens(network, name);
      network.dispose();
    });
  }

  test("llama-f32 quantised to 4 bits while loading gives llama-mlx4-g32's logits", async () => {
    const allQ4: WeightsChoice = { layers: 'q4', embedding: 'q4', head: 'q4' };
    const network = await openNetwork(gpu(), new MemorySource(await readTinyModel('llama-f32')), {
      weights: allQ4,
    });
    await expectLogits(network, 'llama-mlx4-g32', logitBound);
    network.dispose();
  });

  test('matrices split into many parts give the same logits', async () => {
    const network = await openNetwork(gpu(), new MemorySource(await readTinyModel('llama-bias-f32')), {
      maxPartBytes: 16 * 1024,
    });
    await expectLogits(network, 'llama-bias-f32', logitBound);
    await expectGreedyTokens(network, 'llama-bias-f32');
    network.dispose();
  });

  for (const name of integers.models) {
    test(`${name} by whole numbers gives the reference's logits step by step`, async () => {
      const device = withIntegerProducts(gpu());
      const network = await openNetwork(device, new MemorySource(await readTinyModel(name)));
      expectIntegerProducts(device, network);
      await expectLogits(network, name, logitBound, { score: scoreSteps, tokens: integers.tokens });
      network.dispose();
    });
  }

  type TestNetwork = Awaited<ReturnType<typeof openNetwork>>;

  const scoreAtOnce = (network: TestNetwork, ids: readonly number[]): AsyncGenerator<ScoredRows> =>
    scorePrompt(gpu(), network, ids);

  async function expectLogits(
    network: TestNetwork,
    name: string,
    bound: number,
    { score = scoreAtOnce, tokens = 160 }: { score?: typeof scoreAtOnce; tokens?: number } = {},
  ): Promise<void> {
    const file = `golden/tiny/${name}.safetensors`;
    const golden = readTensors(file, (await readTestFile(file))!);
    const ids = [...golden.get('ids')!.values].slice(0, tokens);
    const expected = golden.get('logits')!;
    const positions = [0, 1, 39, 63, 64, 127, 128, 159].filter((position) => position < tokens);
    const { vocab } = network.config;
    let compared = 0;
    for await (const { first, rows, logits } of score(network, ids)) {
      positions.forEach((position, index) => {
        if (position < first || position >= first + rows) return;
        const row = logits.subarray((position - first) * vocab, (position - first + 1) * vocab);
        const reference = expected.values.subarray(index * vocab, (index + 1) * vocab);
        const worst = row.reduce((most, value, i) => Math.max(most, Math.abs(value - reference[i]!)), 0);
        expect(worst, `${name}, position ${position}`).toBeLessThan(bound);
        compared++;
      });
    }
    expect(compared).toBe(positions.length);
    network.cache.truncate(0);
  }

  /** Greedy tokens one by one, and every step of the reference's own answer fed back to the model. */
  async function expectGreedyTokens(network: TestNetwork, name: string): Promise<void> {
    const file = `golden/tiny/${name}.json`;
    const golden = JSON.parse(new TextDecoder().decode((await readTestFile(file))!)) as TinyGolden;
    const engine = new GpuTokenEngine(gpu(), network);
    const tokens: number[] = [];
    for await (const event of engine.generateTokens(greedyRequest(golden.prompt_ids, golden.tokens.length))) {
      if (event.kind === 'token') tokens.push(event.token);
    }
    expect(tokens.length).toBe(golden.tokens.length);
    // after a near tie the two may part: compare up to the first gap within the bound of both logits
    const tie = golden.top1_top2_gap.findIndex((gap) => gap <= 2 * logitBound);
    const certain = tie < 0 ? tokens.length : tie;
    expect(tokens.slice(0, certain)).toEqual(golden.tokens.slice(0, certain));

    network.cache.truncate(0);
    const from = golden.prompt_ids.length - 1;
    const { vocab } = network.config;
    const context = [...golden.prompt_ids, ...golden.tokens.slice(0, -1)];
    let agreed = 0;
    for await (const { first, rows, logits } of scorePrompt(gpu(), network, context, { from })) {
      for (let row = 0; row < rows; row++) {
        const step = first + row - from;
        if (golden.top1_top2_gap[step]! <= 2 * logitBound) continue;
        const best = argMax(logits.subarray(row * vocab, (row + 1) * vocab));
        expect(best, `${name}, step ${step} of the reference's answer`).toBe(golden.tokens[step]);
        agreed++;
      }
    }
    expect(agreed).toBeGreaterThan(golden.tokens.length / 2);
  }
});
