/** HashAttention with maps and models of every shape, the published one among them, inside the network: the tokens looked
 *  up by the last step and what is made of them, against the reference. */
import { describe, expect, test } from 'vitest';
import { expectAttended, expectNearest } from '../../../test/support/expect-layer.ts';
import { greedyRequest } from '../../../test/support/golden.ts';
import { type LastLayer, readLastLayer } from '../../../test/support/last-layer.ts';
import { openNetwork } from '../../../test/support/open-network.ts';
import { type MapsShape, randomHashMaps, randomModel } from '../../../test/support/random-model.ts';
import { MemorySource } from '../../../test/support/test-files.ts';
import type { HashScoring } from '../../kernels/hash-reference/step.ref.ts';
import { Random, runSeed } from '../../kernels/testing/random.ts';
import { withGpu } from '../../kernels/testing/with-gpu.ts';
import type { HashAttentionOptions } from '../api.ts';
import { GpuTokenEngine } from '../gpu-token-engine.ts';

interface Case {
  readonly name: string;
  readonly maps: Omit<MapsShape, 'layers'>;
  /** In the last layer of a budget of 13; 13 unless the maps say otherwise. */
  readonly selected?: number;
  readonly options: Omit<HashAttentionOptions, 'mode' | 'sink' | 'window' | 'denseBelow' | 'budget'>;
}

const cases: readonly Case[] = [
  {
    name: 'as published: a map and a list per query head, 128-128-32, no tail, no dense layer',
    maps: {
      ...heads(6, 2, 32),
      sharing: 'query-head',
      score: 'hamming',
      queryBits: 1,
      stages: [128, 128, 32],
    },
    options: { lists: 'query-head', tail: 'none', denseLayers: [] },
  },
  {
    name: 'maps per query head, lists per KV head',
    maps: { ...heads(6, 3, 48), sharing: 'query-head', score: 'hamming', queryBits: 1, stages: [40, 64] },
    options: { lists: 'kv-head' },
  },
  {
    name: 'maps and lists per query head, 3-bit queries, 64 bits',
    maps: {
      ...{ ...heads(4, 2, 50), sharing: 'query-head', score: 'asymmetric', queryBits: 3, stages: [64] },
      layerBudgets: [0.6, 1.4],
    },
    selected: 18,
    options: { lists: 'query-head', denseLayers: [] },
  },
  {
    name: 'seven query heads on one KV head, head size 36, 64 bits, three stages',
    maps: { ...heads(7, 1, 36), sharing: 'kv-head', score: 'asymmetric', queryBits: 4, stages: [70, 33, 64] },
    options: { tail: 'mean' },
  },
  {
    name: 'eight query heads on one KV head, head size 64, compared bit by bit',
    maps: {
      ...{ ...heads(8, 1, 64), sharing: 'kv-head', score: 'asymmetric', queryBits: 4, stages: [32] },
      layerBudgets: [0.6, 1.4],
    },
    options: { score: 'hamming', tail: 'blocks' },
  },
];

function heads(qHeads: number, kvHeads: number, headDim: number) {
  return { qHeads, kvHeads, headDim };
}

describe(`the tokens looked up and what is made of them (seed ${runSeed})`, () => {
  const gpu = withGpu();
  const layers = 2;
  const sizes = { sink: 3, window: 5 };

  test.each(cases)('$name', async ({ maps: shape, options, selected = 13 }) => {
    const random = new Random(runSeed);
    const maps = randomHashMaps(random, { ...shape, layers });
    const files = randomModel(random, { ...shape, layers }).set(...maps.file);
    const network = await openNetwork(gpu(), new MemorySource(files), { context: 256 });
    const engine = new GpuTokenEngine(gpu(), network);
    const prompt = Array.from({ length: 90 }, () => random.integer(0, 255));
    const answer = async (
      budget: NonNullable<HashAttentionOptions['budget']>,
      { sink, window } = sizes,
    ): Promise<LastLayer> => {
      engine.setAttention({ mode: 'hash', ...options, sink, window, denseBelow: 0, budget });
      for await (const _ of engine.generateTokens(greedyRequest(prompt, 12)));
      return readLastLayer(gpu(), network);
    };

    const few = await answer({ tokens: 13 });
    const scoring: HashScoring = {
      score: options.score ?? shape.score,
      queryBits: shape.queryBits,
      sharing: shape.sharing,
      lists: options.lists ?? 'kv-head',
    };
    expect(few.selected).toBe(selected);
    expect(few.length).toBe(101);
    expectNearest(few, scoring, maps.layers.at(-1)!);
    const tail = options.tail ?? (options.denseLayers ? 'none' : 'blocks');
    expectAttended(few, tail);

    expectAttended(await answer({ tokens: 0 }), tail);
    const all = await answer({ fraction: 1 });
    expect(all.selected).toBe(101 - 8);
    expectAttended(all, 'none');

    // a context shorter than the window, and one that sink and window share
    const windowed = await answer({ tokens: 13 }, { sink: 128, window: 128 });
    expect(windowed).toMatchObject({ sinkEnd: 0, windowStart: 0, selected: 0 });
    expectAttended(windowed, 'none');
    const overlapping = await answer({ tokens: 13 }, { sink: 90, window: 60 });
    expect(overlapping).toMatchObject({ sinkEnd: 41, windowStart: 41, selected: 0 });
    expectAttended(overlapping, 'none');
    network.dispose();
  });
});
