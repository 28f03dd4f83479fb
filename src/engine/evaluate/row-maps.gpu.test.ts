/** Evaluation in bulk with maps of every kind, the published one among them: the tokens looked up and what is made of them
 *  against the reference, and losses against decode steps. */
import { describe, expect, test } from 'vitest';
import { expectAttended, expectNearest } from '../../../test/support/expect-layer.ts';
import { expectDecoded, readLastRows } from '../../../test/support/last-rows.ts';
import { openNetwork } from '../../../test/support/open-network.ts';
import { type MapsShape, randomHashMaps, randomModel } from '../../../test/support/random-model.ts';
import { MemorySource } from '../../../test/support/test-files.ts';
import type { TailKind } from '../../kernels/shared/token-blocks.ts';
import { Random, runSeed } from '../../kernels/testing/random.ts';
import { withGpu } from '../../kernels/testing/with-gpu.ts';
import type { HashAttentionOptions } from '../api.ts';
import { loadModelHashMaps } from '../attention/model-hash-maps.ts';
import { RowEvaluator } from './row-evaluator.ts';

interface Case {
  readonly name: string;
  readonly maps: Omit<MapsShape, 'layers'>;
  readonly lists: 'kv-head' | 'query-head';
  readonly tail: TailKind;
}

const heads = { qHeads: 6, kvHeads: 2, headDim: 32 } as const;
const cases: readonly Case[] = [
  {
    name: 'as published: a map and a list per query head',
    maps: { ...heads, sharing: 'query-head', score: 'hamming', queryBits: 1, stages: [40, 32] },
    lists: 'query-head',
    tail: 'none',
  },
  {
    name: 'maps per query head, lists per KV head, 64 bits, tail of blocks',
    maps: { ...heads, sharing: 'query-head', score: 'hamming', queryBits: 1, stages: [64] },
    lists: 'kv-head',
    tail: 'blocks',
  },
  {
    name: '3-bit queries, 64 bits, lists per KV head',
    maps: { ...heads, sharing: 'kv-head', score: 'asymmetric', queryBits: 3, stages: [64] },
    lists: 'kv-head',
    tail: 'none',
  },
];

const [read, scored, layers, context] = [60, 16, 2, 256];
const budget = { sink: 3, window: 5, count: 9, share: 0 };

describe(`rows in bulk by any maps (seed ${runSeed})`, () => {
  const gpu = withGpu();

  test.each(cases)('$name', async ({ maps: shape, lists, tail }) => {
    const random = new Random(runSeed);
    const { file, layers: stages } = randomHashMaps(random, { ...shape, layers });
    const files = randomModel(random, { ...shape, layers }).set(...file);
    const network = await openNetwork(gpu(), new MemorySource(files), { context });
    const { config } = network;
    const running = { rope: config.rope, contextLength: context };
    const maps = await loadModelHashMaps(gpu(), new MemorySource(files), config, running);
    const text = Array.from({ length: read + scored + 1 }, () => random.integer(0, config.vocab - 1));
    const evaluator = await RowEvaluator.create(gpu(), network);

    for (const denseLayers of [[], [0], [1]]) {
      const options: HashAttentionOptions = {
        ...{ mode: 'hash', lists, tail, denseBelow: 0, denseLayers },
        ...{ sink: budget.sink, window: budget.window, budget: { tokens: budget.count } },
      };
      const policy = { options, maps };
      await evaluator.read(text.slice(0, read), scored);
      const { losses } = await evaluator.score(policy, text.slice(read, -1), text.slice(read + 1));
      const chunk = { position: read, count: scored };
      const rows = await readLastRows(gpu(), network, evaluator, policy, budget, chunk);
      if (!denseLayers.includes(layers - 1)) {
        const open = rows.map((row) => expectNearest(row, { ...shape, lists }, stages.at(-1)!));
        const listed = rows.length * rows[0]!.lists.length * budget.count;
        const sum = open.reduce((a, b) => a + b);
        // one list in a hundred has a bit of its query within rounding of zero
        expect(sum, `tokens that f32 leaves open, of ${listed}`).toBeLessThan(listed / 4);
        for (const row of rows) expectAttended(row, tail);
      }
      if (denseLayers.length === 0) continue;
      network.setAttention(options);
      const layer = layers - 1 - denseLayers[0]!;
      await expectDecoded(gpu(), network, rows, losses, text, { read, layer, mostOtherwise: 2 });
    }
    evaluator.dispose();
    maps.maps.dispose();
    network.dispose();
  });
});
