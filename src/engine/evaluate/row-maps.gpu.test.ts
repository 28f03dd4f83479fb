/** Evaluation in bulk with maps of every kind, the published one among them, against decoding token by token. */
import { describe, expect, test } from 'vitest';
import { negativeLogLikelihood } from '../../../test/support/golden.ts';
import { openNetwork } from '../../../test/support/open-network.ts';
import { type MapsShape, randomHashMaps, randomModel } from '../../../test/support/random-model.ts';
import { MemorySource } from '../../../test/support/test-files.ts';
import { Random, runSeed } from '../../kernels/testing/random.ts';
import { withGpu } from '../../kernels/testing/with-gpu.ts';
import type { HashAttentionOptions } from '../api.ts';
import { loadModelHashMaps } from '../attention/model-hash-maps.ts';
import { scoreSteps } from '../network/score.ts';
import { RowEvaluator } from './row-evaluator.ts';

interface Case {
  readonly name: string;
  readonly maps: Omit<MapsShape, 'layers'>;
  readonly lists: 'kv-head' | 'query-head';
}

const heads = { qHeads: 6, kvHeads: 2, headDim: 32 } as const;
const cases: readonly Case[] = [
  {
    name: 'as published: a map and a list per query head',
    maps: { ...heads, sharing: 'query-head', score: 'hamming', queryBits: 1, stages: [40, 32] },
    lists: 'query-head',
  },
  {
    name: 'maps per query head, lists per KV head, 64 bits',
    maps: { ...heads, sharing: 'query-head', score: 'hamming', queryBits: 1, stages: [64] },
    lists: 'kv-head',
  },
  {
    name: '3-bit queries, 64 bits, lists per KV head',
    maps: { ...heads, sharing: 'kv-head', score: 'asymmetric', queryBits: 3, stages: [64] },
    lists: 'kv-head',
  },
];

const [read, scored, layers, context] = [60, 16, 2, 256];

describe(`rows in bulk by any maps (seed ${runSeed})`, () => {
  const gpu = withGpu();

  test.each(cases)('$name', async ({ maps: shape, lists }) => {
    const random = new Random(runSeed);
    const { file } = randomHashMaps(random, { ...shape, layers });
    const files = randomModel(random, { ...shape, layers }).set(...file);
    const network = await openNetwork(gpu(), new MemorySource(files), { context });
    const { config } = network;
    const running = { rope: config.rope, contextLength: context };
    const maps = await loadModelHashMaps(gpu(), new MemorySource(files), config, running);
    const text = Array.from({ length: read + scored + 1 }, () => random.integer(0, config.vocab - 1));
    const options: HashAttentionOptions = {
      ...{ mode: 'hash', lists, sink: 3, window: 5, budget: { tokens: 9 }, denseBelow: 0, denseLayers: [] },
    };
    const evaluator = await RowEvaluator.create(gpu(), network);
    await evaluator.read(text.slice(0, read), scored);
    const policy = { options, maps };
    const { losses } = await evaluator.score(policy, text.slice(read, -1), text.slice(read + 1));
    network.setAttention(options);
    const differences: number[] = [];
    for await (const { first, logits } of scoreSteps(network, text.slice(read, -1))) {
      const expected = negativeLogLikelihood(logits, text[first + 1]!);
      differences.push(Math.abs(losses[first - read]! - expected));
    }
    // Products add in other orders: f16 keys move by a unit, and seldom a bit of a query, hence a token. Lists of the
    // wrong head or plane share few tokens with the right ones, and move every loss.
    differences.sort((a, b) => a - b);
    expect(differences[Math.floor(0.75 * scored)], `differences ${differences}`).toBeLessThan(5e-3);
    evaluator.dispose();
    maps.maps.dispose();
    network.dispose();
  });
});
