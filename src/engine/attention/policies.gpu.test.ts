/** Every sparse policy inside the network: what it attends to, what it makes of that, and what it says of itself. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { greedyRequest } from '../../../test/support/golden.ts';
import { readLastLayer } from '../../../test/support/last-layer.ts';
import { openNetwork } from '../../../test/support/open-network.ts';
import { MemorySource, readTinyModel } from '../../../test/support/test-files.ts';
import { attendListedReference, listedBound } from '../../kernels/attend/attend-listed.ref.ts';
import { attentionWeightsReference } from '../../kernels/attention-weights/attention-weights.ref.ts';
import { randomListSeed, randomScore } from '../../kernels/hash-reference/random-score.ref.ts';
import { tailOf } from '../../kernels/hash-reference/tail.ref.ts';
import { selectLargestReference } from '../../kernels/select-scores/select-scores.ref.ts';
import { expectClose } from '../../kernels/testing/expect-close.ts';
import { Random, runSeed } from '../../kernels/testing/random.ts';
import { withGpu } from '../../kernels/testing/with-gpu.ts';
import type { SparseAttentionOptions } from '../api.ts';
import { GpuTokenEngine } from '../gpu-token-engine.ts';
import type { Network } from '../network/network.ts';
import type { TokenEvent } from '../token-engine.ts';

type TokenGenerated = Extract<TokenEvent, { kind: 'token' }>;

/** Four query heads on one KV head; two on each of two; a KV head for every query head. */
const models = ['llama-bf16-sharded', 'qwen2-bf16', 'llama-mlx4-g64'];
const sizes = { sink: 3, window: 5, denseLayers: [0], denseBelow: 0 } as const;
const answerTokens = 6;

describe.each(models)(`sparse policies in %s (seed ${runSeed})`, (name) => {
  const gpu = withGpu();
  const random = new Random(runSeed);
  let network: Network;
  let engine: GpuTokenEngine;
  beforeAll(async () => {
    network = await openNetwork(gpu(), new MemorySource(await readTinyModel(name)), { context: 512 });
    engine = new GpuTokenEngine(gpu(), network);
  });
  afterAll(() => network?.dispose());

  const prompt = (length: number): number[] => Array.from({ length }, () => random.integer(0, 255));

  async function answer(ids: readonly number[], options: SparseAttentionOptions): Promise<TokenGenerated[]> {
    engine.setAttention(options);
    const events: TokenGenerated[] = [];
    for await (const event of engine.generateTokens(greedyRequest(ids, answerTokens))) {
      if (event.kind === 'token') events.push(event);
    }
    expect(events.length).toBe(answerTokens);
    return events;
  }

  /** Per KV head: the random maps of a group and of its keys, f16 with f32 biases; signatures of the candidates. */
  const hashBytes = (
    candidates: number,
    { qHeads, kvHeads, headDim }: { qHeads: number; kvHeads: number; headDim: number },
  ): number => (qHeads / kvHeads + 1) * 32 * (2 * headDim + 4) + 4 * candidates;

  const cases: readonly SparseAttentionOptions[] = [
    { mode: 'oracle', ...sizes, budget: { tokens: 9 } },
    { mode: 'oracle', ...sizes, budget: { fraction: 0.25 }, tail: 'none', layerBudgets: [5, 3, 1] },
    { mode: 'random', ...sizes, budget: { tokens: 11 }, seed: 5, tail: 'mean', layerBudgets: [0, 1, 2] },
    { mode: 'streaming', ...sizes },
    { mode: 'streaming', ...sizes, tail: 'none' },
    { mode: 'hash', ...sizes, budget: { tokens: 10 }, layerBudgets: [1, 4, 1] },
  ];
  test.each(cases)('attends to sink, list and window: %o', async (options) => {
    const events = await answer(prompt(60), options);
    const last = await readLastLayer(gpu(), network);
    const { length, sinkEnd, windowStart, selected, lists, kvHeads, qHeads, headDim } = last;
    expect({ sinkEnd, windowStart }).toEqual({ sinkEnd: 3, windowStart: length - 5 });
    for (const list of lists) {
      expect(list).toEqual([...new Set(list)].sort((a, b) => a - b));
      for (const token of list) expect(token >= sinkEnd && token < windowStart, `token ${token}`).toBe(true);
    }
    /** Layer 0 being dense, those after it have the budget on average. */
    const wanted = (layer: number, n: number): number => {
      if (options.mode === 'streaming') return 0;
      const { budget, layerBudgets: given } = options;
      const weights = typeof given === 'object' ? given : [1, 1, 1];
      const factor = weights[layer]! / ((weights[1]! + weights[2]!) / 2);
      if (budget && 'tokens' in budget) return Math.floor(budget.tokens * factor);
      return Math.floor(n * budget!.fraction * factor);
    };
    expect(selected).toBe(wanted(2, length));

    const group = qHeads / kvHeads;
    const all = Array.from({ length }, (_, token) => token);
    const expected = attendListedReference({
      ...last,
      tokensOf: (head) => {
        const list = new Set(lists[Math.floor(head / group)]);
        return all.filter((token) => token < sinkEnd || token >= windowStart || list.has(token));
      },
      tail: tailOf(options.tail ?? 'blocks', last),
    });
    const attended = sinkEnd + selected + length - windowStart;
    const bound = listedBound(expected, { headDim, attended, splits: 1, runs: 1 });
    expectClose(last.attended, expected.out, bound, JSON.stringify(options));

    // layer 0 attends to everything, the others to their set; the first token follows from the prompt
    const { layers } = network.config;
    for (const event of events.slice(1)) {
      const { contextTokens, attendedTokens, attentionBytes, denseAttentionBytes } = event;
      const n = contextTokens - 1;
      const own = [1, 2].map((layer) => 8 + wanted(layer, n));
      const allOwn = own[0]! + own[1]!;
      expect(attendedTokens).toBe(Math.round((n + allOwn) / layers));
      const row = 4 * headDim; // a key and a value
      expect(denseAttentionBytes).toBe(layers * n * kvHeads * row);
      const sums = options.tail !== 'none' ? 2 * headDim * 4 : 0;
      const choosing = { oracle: n * 2 * headDim, random: 0, streaming: 0, hash: hashBytes(n - 8, last) };
      const besides = (layers - 1) * (sums + choosing[options.mode]);
      expect(attentionBytes).toBe(kvHeads * ((n + allOwn) * row + besides));
    }
  });

  test('the oracle selects what dense attention gives most weight', async () => {
    await answer(prompt(70), { mode: 'oracle', ...sizes, budget: { tokens: 12 } });
    const last = await readLastLayer(gpu(), network);
    const { length, sinkEnd, windowStart, lists, qHeads, kvHeads } = last;
    const { weights } = attentionWeightsReference(last);
    const group = qHeads / kvHeads;
    for (let head = 0; head < kvHeads; head++) {
      const score = (token: number): number =>
        Array.from({ length: group }, (_, g) => weights[(head * group + g) * length + token]!).reduce(
          (a, b) => a + b,
        );
      const candidates = Array.from({ length: windowStart - sinkEnd }, (_, i) => sinkEnd + i);
      const best = candidates
        .map(score)
        .sort((a, b) => b - a)
        .slice(0, 12);
      const got = lists[head]!.map(score).sort((a, b) => b - a);
      // The GPU's weights are right to a few parts in a million: tokens that differ by less may change places.
      for (const [i, value] of got.entries()) expect(value / best[i]!).toBeGreaterThan(1 - 1e-4);
    }
  });

  test('random tokens are those of the seed, the step and the layer', async () => {
    const seed = random.integer(0, 2 ** 32 - 1);
    const ids = prompt(65);
    const options = { mode: 'random', ...sizes, budget: { tokens: 7 }, seed } as const;
    const events = await answer(ids, options);
    const last = await readLastLayer(gpu(), network);
    const { length, kvHeads, layer } = last;
    const keys = Array.from({ length: kvHeads }, (_, list) =>
      Array.from({ length }, (_, token) =>
        randomScore(randomListSeed(seed, layer, kvHeads, list), length - 1, token),
      ),
    );
    const budget = { sink: 3, window: 5, count: 7, share: 0 };
    expect(last.lists, `seed ${seed}`).toEqual(selectLargestReference(keys, length, budget));
    expect(await answer(ids, options)).toEqual(events);
    await answer(ids, { ...options, seed: (seed + 1) % 2 ** 32 });
    expect((await readLastLayer(gpu(), network)).lists).not.toEqual(last.lists);
  });

  test.each([
    { mode: 'oracle', budget: { fraction: 1 } },
    { mode: 'random', budget: { tokens: 500 }, tail: 'none' },
    { mode: 'streaming', window: 512 },
    { mode: 'hash', budget: { fraction: 1 } },
  ] as const satisfies readonly SparseAttentionOptions[])(
    'where nothing is left out, the answer is the dense one: %o',
    async (options) => {
      const ids = prompt(40);
      const answered = await answer(ids, { ...sizes, ...options });
      const last = await readLastLayer(gpu(), network);
      const dense = attendListedReference({
        ...last,
        tokensOf: () => Array.from({ length: last.length }, (_, token) => token),
        tail: 'none',
      });
      const { headDim, length } = last;
      const bound = listedBound(dense, { headDim, attended: length, splits: 1, runs: 1 });
      expectClose(last.attended, dense.out, bound, JSON.stringify(options));
      expect(answered.at(-1)!.attendedTokens).toBe(last.length);
    },
  );

  test('options that choose the same keep the lists of dispatches; others replace them', async () => {
    const ids = prompt(30);
    await answer(ids, { mode: 'streaming', ...sizes });
    const { decoder } = network;
    await answer(ids, { mode: 'streaming', ...sizes, denseLayers: [0, 0], tail: 'blocks' });
    expect(network.decoder).toBe(decoder);
    await answer(ids, { mode: 'streaming', ...sizes, sink: 4 });
    expect(network.decoder).not.toBe(decoder);
  });
});
