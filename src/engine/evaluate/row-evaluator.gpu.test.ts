/** Evaluation in bulk against decoding token by token, and where policies must agree. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectAttended } from '../../../test/support/expect-layer.ts';
import { expectDecoded, readLastRows } from '../../../test/support/last-rows.ts';
import { openNetwork } from '../../../test/support/open-network.ts';
import { MemorySource, readTinyModel } from '../../../test/support/test-files.ts';
import { blockTokens, type TailKind } from '../../kernels/shared/token-blocks.ts';
import { Random, runSeed } from '../../kernels/testing/random.ts';
import { withGpu } from '../../kernels/testing/with-gpu.ts';
import type { AttentionOptions } from '../api.ts';
import { type ModelHashMaps, untrainedMaps } from '../attention/model-hash-maps.ts';
import type { Network } from '../network/network.ts';
import { RowEvaluator } from './row-evaluator.ts';
import type { RowPolicy } from './row-policy.ts';

/** Four query heads on one KV head; and normalised queries and keys of head size 64. */
const models = ['llama-bf16-sharded', 'qwen3-bf16'];

const read = 150;
const scored = 24;
const edges = { sink: 3, window: 6, denseBelow: 0 } as const;
const tailOfOptions = (options: AttentionOptions): TailKind =>
  options.mode === 'dense' ? 'none' : (options.tail ?? 'none');
const few = { ...edges, budget: { fraction: 1 / 8 }, denseLayers: [] } as const;

describe(`rows in bulk (seed ${runSeed})`, () => {
  const gpu = withGpu();

  describe.each(models)('%s', (name) => {
    let network: Network;
    let maps: ModelHashMaps;
    let evaluator: RowEvaluator;
    let text: number[];

    beforeAll(async () => {
      network = await openNetwork(gpu(), new MemorySource(await readTinyModel(name)), { context: 256 });
      maps = await untrainedMaps(gpu(), network.config).load();
      evaluator = await RowEvaluator.create(gpu(), network);
      const random = new Random(runSeed);
      text = Array.from({ length: read + scored + 1 }, () => random.integer(0, network.config.vocab - 1));
    });
    afterAll(() => {
      evaluator?.dispose();
      maps?.maps.dispose();
      network?.dispose();
    });

    async function inBulk(options: AttentionOptions, by = evaluator, measures = false) {
      return scoresOf({ options, maps }, by, measures);
    }

    async function scoresOf(policy: RowPolicy, by = evaluator, measures = false) {
      await by.read(text.slice(0, read), scored);
      return by.score(policy, text.slice(read, -1), text.slice(read + 1), { measures });
    }

    /** Tails differ, and nothing before them: keys, queries and lists of the last layer are the same bits. */
    const tailInLast = { ...few, mode: 'hash', tail: 'mean', denseLayers: [0, 1] } as const;
    const largest = (some: Float32Array, others: Float32Array): number =>
      Math.max(...some.map((loss, i) => Math.abs(loss - others[i]!)));

    /** Of the context that the last layer selects, in 1/65536. */
    function lastShare(options: AttentionOptions): number {
      if (options.mode === 'dense' || options.mode === 'streaming') return 0;
      const { budget, layerBudgets } = options;
      const fraction = budget && 'fraction' in budget ? budget.fraction : 0;
      if (typeof layerBudgets !== 'object') return 65536 * fraction;
      const mean = layerBudgets.reduce((a, b) => a + b) / layerBudgets.length;
      const shares = layerBudgets.map((weight) => (fraction * weight) / mean);
      // what layers 0 and 1 would have beyond all of it
      const excess = shares.reduce((sum, each) => sum + Math.max(0, each - 1), 0);
      return Math.round(65536 * (shares[2]! + excess));
    }

    /** One sparse layer where lists depend on sums, so that they can be compared; the last where it may be any. */
    const all: AttentionOptions[] = [
      { mode: 'dense' },
      { ...few, mode: 'hash', tail: 'none', denseLayers: [0, 1] },
      { ...few, mode: 'hash', tail: 'mean', denseLayers: [1, 2] },
      { ...few, mode: 'hash', score: 'hamming', tail: 'blocks', denseLayers: [0, 1] },
      { ...few, mode: 'hash', score: 'hamming', lists: 'query-head', tail: 'none', denseLayers: [0, 2] },
      { ...few, mode: 'oracle', tail: 'blocks', denseLayers: [0, 1] },
      { ...few, mode: 'random', seed: 3, tail: 'mean', layerBudgets: [1, 2, 6] },
      // layers 0 and 1 select all there is
      {
        ...{ ...few, mode: 'hash', tail: 'blocks', denseLayers: [] },
        ...{ budget: { fraction: 0.75 }, layerBudgets: [7, 7, 1] },
      },
      { ...edges, mode: 'streaming', denseLayers: [1] },
    ];
    // one model under every policy, the other under those whose kernels see its head size
    const compared = name === models[0] ? all : all.filter((options) => tailOfOptions(options) !== 'none');
    test.each(compared)('scores what decoding scores: %j', async (options) => {
      const { losses, tops } = await inBulk(options);
      const dense = options.mode === 'dense' ? [0, 1, 2] : options.denseLayers!;
      const layer = [2, 1, 0].find((index) => !dense.includes(index)) ?? 2;
      const share = lastShare(options);
      const budget = { sink: edges.sink, window: edges.window, count: 0, share };
      const chunk = { position: read, count: scored };
      const rows = await readLastRows(gpu(), network, evaluator, { options, maps }, budget, chunk);
      if (!dense.includes(2)) for (const row of rows) expectAttended(row, tailOfOptions(options));
      network.setAttention(options);
      const mostOtherwise = options.mode === 'hash' || options.mode === 'oracle' ? 2 : 0;
      await expectDecoded(gpu(), network, rows, losses, text, { read, layer, mostOtherwise });
      expect(tops.every((token) => token < network.config.vocab)).toBe(true);
    });

    test('a budget that covers the context gives the dense losses, whoever selects', async () => {
      const { losses: dense } = await inBulk({ mode: 'dense' });
      const covering = { ...edges, budget: { fraction: 1 }, denseLayers: [], tail: 'mean' } as const;
      for (const options of [
        { ...covering, mode: 'hash' },
        { ...covering, mode: 'hash', score: 'hamming', lists: 'query-head' },
        { ...covering, mode: 'oracle' },
        { ...covering, mode: 'random' },
        { ...edges, mode: 'streaming', window: 500, tail: 'mean', denseLayers: [] },
      ] as const) {
        const { losses } = await inBulk(options);
        // The same tokens in another order of additions: halves in the cache move by a unit.
        expect(largest(losses, dense), JSON.stringify(options)).toBeLessThan(2e-3);
      }
    });

    test('a policy that selects nothing is streaming, whatever ranks', async () => {
      const { losses: streaming } = await inBulk({ ...edges, mode: 'streaming', tail: 'mean' });
      const none = { ...edges, budget: { tokens: 0 }, tail: 'mean' } as const;
      for (const mode of ['hash', 'oracle', 'random'] as const) {
        expect([...(await inBulk({ ...none, mode })).losses], mode).toEqual([...streaming]);
      }
      const { losses: dense } = await inBulk({ mode: 'dense' });
      expect([...dense]).not.toEqual([...streaming]);
    });

    test('the mean of the rest, read token by token, is the tail', async () => {
      const mean = { kind: 'mean', over: 'rest', estimated: false } as const;
      const { losses } = await inBulk(tailInLast);
      const lossesBy = async (block: number | null): Promise<Float32Array> =>
        (await scoresOf({ options: tailInLast, maps, proxy: { ...mean, block } })).losses;
      expect(largest(losses, await lossesBy(null)), 'another order of additions').toBeLessThan(1e-4);
      expect(largest(losses, await lossesBy(128))).toBeGreaterThan(1e-3);
    });

    test('blocks of the tail by sums are those read token by token', async () => {
      const proxy = { kind: 'mean', over: 'block', estimated: true } as const;
      const lossesBy = async (block: number | null): Promise<Float32Array> =>
        (await scoresOf({ options: tailInLast, maps, proxy: { ...proxy, block } })).losses;
      // A block longer than the context is one of all, which only the general kernel takes.
      const losses = await lossesBy(256);
      expect(largest(losses, await lossesBy(null)), 'another order of additions').toBeLessThan(1e-4);
      expect(largest(losses, await lossesBy(64))).toBeGreaterThan(1e-3);
    });

    test('every layer has the budget that it is given', async () => {
      const options = { ...few, mode: 'hash', tail: 'mean' } as const;
      const { losses } = await inBulk(options);
      const facts = { ...maps.facts, layerBudgets: [0.6, 0.9, 1.5] };
      const budgeted = { options, maps: { ...maps, facts } };
      const ofMaps = [...(await scoresOf(budgeted)).losses];
      expect(ofMaps).toEqual([...(await inBulk({ ...options, layerBudgets: [2, 3, 5] })).losses]);
      expect(ofMaps).not.toEqual([...losses]);
      for (const layerBudgets of ['uniform', [0.1, 0.1, 0.1]] as const) {
        const equal = { ...budgeted, options: { ...options, layerBudgets } };
        expect([...(await scoresOf(equal)).losses]).toEqual([...losses]);
      }
      // All of the context in all layers but the first is the first alone sparse.
      const denseElsewhere = await inBulk({ ...options, budget: { fraction: 0.25 }, denseLayers: [1, 2] });
      const onlyFirst = { budget: { fraction: 0.75 }, layerBudgets: [1, 7, 7] };
      const { losses: sparseFirst } = await inBulk({ ...options, ...onlyFirst });
      expect(largest(sparseFirst, denseElsewhere.losses)).toBeLessThan(2e-3);
      expect(largest(sparseFirst, losses)).toBeGreaterThan(2e-3);
    });

    test('the number of rows together changes nothing', async () => {
      const other = await RowEvaluator.create(gpu(), network, { rows: 7 });
      for (const options of [
        { ...few, mode: 'hash' },
        { ...few, mode: 'oracle' },
        { ...few, mode: 'random', seed: 5 },
      ] as const) {
        const { losses } = await inBulk(options);
        const { losses: inSevens } = await inBulk(options, other);
        // Every row is computed for itself, in one order.
        expect([...inSevens], JSON.stringify(options)).toEqual([...losses]);
      }
      // The tail is added up in more parts where rows are few.
      const { losses } = await inBulk(tailInLast);
      const { losses: inSevens } = await inBulk(tailInLast, other);
      expect(largest(losses, inSevens), 'with a tail').toBeLessThan(1e-4);
      other.dispose();
    });

    test('a policy keeps its losses where what was built for it is forgotten for others', async () => {
      const other = await RowEvaluator.create(gpu(), network, { rows: 7, policies: 2 });
      const policies: readonly RowPolicy[] = [1, 2, 3].map((seed) => ({
        options: { ...few, mode: 'random', seed },
      }));
      const losses = async (policy: RowPolicy, count: number): Promise<readonly number[]> => {
        await other.read(text.slice(0, read), scored);
        const scores = await other.score(
          policy,
          text.slice(read, read + count),
          text.slice(read + 1, read + count + 1),
        );
        return [...scores.losses];
      };
      const [first, second, third] = [policies[0]!, policies[1]!, policies[2]!];
      const expected = await losses(first, 7);
      // chunks of another length while as many policies are held as may be, then with one too many
      for (const [policy, count] of [
        [second, 7],
        [first, 3],
        [third, 7],
        [second, 3],
      ] as const) {
        await losses(policy, count);
        expect(await losses(first, 7), `after ${count} by ${JSON.stringify(policy.options)}`).toEqual(
          expected,
        );
      }
      other.dispose();
    });

    test('quality: the exact choice catches most and agrees with itself; chance catches least', async () => {
      const of = async (options: AttentionOptions) => (await inBulk(options, evaluator, true)).quality;
      const mean = (values: readonly number[]) => values.reduce((a, b) => a + b) / values.length;
      const oracle = await of({ ...few, mode: 'oracle' });
      const hash = await of({ ...few, mode: 'hash' });
      const chance = await of({ ...few, mode: 'random' });
      const all = await of({ ...few, mode: 'random', budget: { fraction: 1 } });
      expect(oracle.map(({ layer }) => layer)).toEqual(network.weights.layers.map((_, layer) => layer));
      for (const [i, { mass, recall }] of oracle.entries()) {
        expect(recall).toBe(1);
        expect(hash[i]!.mass).toBeLessThan(mass);
        expect(Math.abs(all[i]!.mass - 1)).toBeLessThan(1e-4);
      }
      expect(mean(hash.map(({ recall }) => recall))).toBeGreaterThan(
        mean(chance.map(({ recall }) => recall)),
      );
      // k of n candidates by chance: recall is about k / candidates, 1/8 and a little more.
      expect(mean(chance.map(({ recall }) => recall))).toBeGreaterThan(0.08);
      expect(mean(chance.map(({ recall }) => recall))).toBeLessThan(0.2);
      expect(await of({ ...few, mode: 'hash', denseLayers: [0] }).then((layers) => layers[0]!.layer)).toBe(1);
    });
  });

  test('a tail of blocks scores what decoding scores where a block ends and the next has candidates', async () => {
    const [before, count] = [blockTokens - 3, 14];
    const model = new MemorySource(await readTinyModel(models[0]!));
    const network = await openNetwork(gpu(), model, { context: blockTokens + 64 });
    const evaluator = await RowEvaluator.create(gpu(), network);
    const random = new Random(runSeed);
    const text = Array.from({ length: before + count + 1 }, () =>
      random.integer(0, network.config.vocab - 1),
    );
    const options = { ...few, mode: 'random', seed: 7, tail: 'blocks' } as const;
    await evaluator.read(text.slice(0, before), count);
    const { losses } = await evaluator.score({ options }, text.slice(before, -1), text.slice(before + 1));
    const budget = { sink: edges.sink, window: edges.window, count: 0, share: 65536 / 8 };
    const chunk = { position: before, count };
    const rows = await readLastRows(gpu(), network, evaluator, { options }, budget, chunk);
    for (const row of rows) expectAttended(row, 'blocks');
    network.setAttention(options);
    await expectDecoded(gpu(), network, rows, losses, text, { read: before, layer: 2, mostOtherwise: 0 });
    evaluator.dispose();
    network.dispose();
  });
});
