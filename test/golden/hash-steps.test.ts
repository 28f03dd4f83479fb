/** Sixteen decode steps of HashAttention over the golden keys and values of two layers, signatures and sums kept from
 *  step to step, against the reference in double precision: every list, and every output from its list. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { AttentionLayer } from '../../src/engine/attention/attention-policy.ts';
import { HashAttention } from '../../src/engine/attention/hash-attention.ts';
import { hashChoices } from '../../src/engine/attention/hash-choices.ts';
import { loadModelHashMaps, type ModelHashMaps } from '../../src/engine/attention/model-hash-maps.ts';
import { KvCache } from '../../src/engine/network/kv-cache.ts';
import { createStepBuffer, writeStep } from '../../src/engine/network/step.ts';
import { attendListedReference, listedBound } from '../../src/kernels/attend/attend-listed.ref.ts';
import type { MapStage } from '../../src/kernels/hash-reference/signature-map.ref.ts';
import type { HashScoring } from '../../src/kernels/hash-reference/step.ref.ts';
import { tailOf } from '../../src/kernels/hash-reference/tail.ref.ts';
import {
  attendedTokens,
  type TokenRanges,
  tokenRanges,
} from '../../src/kernels/hash-reference/token-set.ref.ts';
import { Arena } from '../../src/kernels/runtime/arena.ts';
import { submitDispatches } from '../../src/kernels/runtime/dispatch.ts';
import { readF32, readU32 } from '../../src/kernels/runtime/readback.ts';
import { type TailKind, tailKinds } from '../../src/kernels/shared/token-blocks.ts';
import { expectClose } from '../../src/kernels/testing/expect-close.ts';
import { Random, runSeed } from '../../src/kernels/testing/random.ts';
import { withGpu } from '../../src/kernels/testing/with-gpu.ts';
import { type ModelConfig, parseModelConfig } from '../../src/model/config.ts';
import { Checkpoint } from '../support/checkpoint.ts';
import {
  type BoundedValues,
  bitCosts,
  decidedTokens,
  distanceSpan,
  mapWithBound,
} from '../support/map-bound.ts';
import { MemorySource, readGoldenModel, readTestFile } from '../support/test-files.ts';

const file = 'golden/SmolLM2-135M-Instruct-4bit/hash_step.safetensors';
const layers = [5, 17];
const [qHeads, kvHeads, headDim, length, steps] = [9, 3, 64, 2000, 16];
const heads = { qHeads, kvHeads, headDim, capacity: length };
const group = qHeads / kvHeads;

const modes = [
  { score: 'asymmetric', lists: 'kv-head' },
  { score: 'hamming', lists: 'kv-head' },
  { score: 'hamming', lists: 'query-head' },
] as const;

/** One layer's data, and what f32 may make of its maps. */
interface Layer {
  readonly index: number;
  readonly keys: Float64Array;
  readonly values: Float64Array;
  /** Packed halves of [kvHeads, length, headDim]. */
  readonly keyBytes: Uint8Array<ArrayBuffer>;
  readonly valueBytes: Uint8Array<ArrayBuffer>;
  readonly query: Float64Array;
  readonly queryMap: readonly MapStage[];
  /** F_k of each key: [kvHeads][length]. */
  readonly mappedKeys: readonly (readonly BoundedValues[])[];
}

describe(`sixteen steps (seed ${runSeed})`, () => {
  const gpu = withGpu();
  let config: ModelConfig;
  let maps: ModelHashMaps;
  let data: readonly Layer[];

  beforeAll(async () => {
    const model = await readGoldenModel();
    config = parseModelConfig(JSON.parse(new TextDecoder().decode(model.get('config.json'))));
    maps = await loadModelHashMaps(gpu(), new MemorySource(model), config, {
      rope: config.rope,
      contextLength: config.trainedContext,
    });
    const bytes = await readTestFile(file);
    if (!bytes) throw new Error(`test/data has no ${file}`);
    const golden = new Checkpoint(new Map([[file, bytes]]));
    const weights = new Checkpoint(new Map([['maps.safetensors', model.get('hash_attention.safetensors')!]]));
    data = layers.map((index) => layerOf(index, golden, weights));
  });

  test.each(modes)('$score, a list per $lists: lists and outputs', async ({ score, lists }) => {
    const scoring: HashScoring = { score, lists, queryBits: 4, sharing: 'kv-head' };
    const random = new Random(runSeed);
    const queries = data.map(({ query }) => queriesLike(query, random));
    const runs = {
      none: await run({ score, lists, tail: 'none' }, queries),
      mean: await run({ score, lists, tail: 'mean' }, queries),
      blocks: await run({ score, lists, tail: 'blocks' }, queries),
    };
    data.forEach((layer, at) => {
      for (let step = 0; step < steps; step++) {
        const where = `layer ${layer.index}, step ${step}`;
        const n = length - steps + step + 1;
        const ranges = tokenRanges(n, { sink: 128, window: 128, count: 0, share: 65536 / 16 });
        const query = queries[at]![step]!;
        const result = runs.none[at]![step]!;
        expectLists(result.lists, layer, { scoring, query, ranges, n }, where);
        const tokensOf = (head: number) =>
          attendedTokens(n, ranges, result.lists[Math.floor((head * result.lists.length) / qHeads)]!);
        const { keys, values } = layer;
        for (const tail of tailKinds) {
          const got = runs[tail][at]![step]!;
          expect(got.lists, where).toEqual(result.lists);
          const expected = attendListedReference({
            ...{ ...heads, query, keys, values, length: n, tokensOf },
            tail: tailOf(tail, ranges),
          });
          // one split, one run of blocks: the longest chains of additions there can be
          const sizes = { headDim, attended: tokensOf(0).length, splits: 1, runs: 2 };
          expectClose(got.out, expected.out, listedBound(expected, sizes), `${where}, tail ${tail}`);
        }
      }
    });
  });

  /** What the engine's own policy attends to and gives, [layer][step]. */
  async function run(
    mode: {
      readonly score: 'asymmetric' | 'hamming';
      readonly lists: 'kv-head' | 'query-head';
      readonly tail: TailKind;
    },
    queries: readonly (readonly Float32Array<ArrayBuffer>[])[],
  ): Promise<{ readonly lists: number[][]; readonly out: Float32Array }[][]> {
    const dense = Array.from({ length: config.layers }, (_, i) => i).filter((i) => !layers.includes(i));
    const options = { mode: 'hash', ...mode, denseLayers: dense, denseBelow: 0 } as const;
    const choices = hashChoices(options, maps.facts, config.layers);
    const cache = await KvCache.create(gpu(), { ...config, plannedContext: length });
    await cache.ensureCapacity(length);
    const first = length - steps;
    for (const layer of data) writeRows(cache, layer, 0, first);
    const hash = await HashAttention.create({ gpu: gpu(), config, maps: maps.maps, choices, cache });
    await hash.catchUp(first);
    const arena = new Arena(gpu());
    const policy = hash.policy(arena);
    const step = createStepBuffer(arena, 'step');
    const prepared = data.map(({ index }) => {
      const query = arena.tensor('query', 'f32', [qHeads, headDim]);
      const attended = arena.tensor('attended', 'f32', [qHeads, headDim]);
      const { capacity } = cache;
      const layer: AttentionLayer = { index, step, query, cache: cache.layer(index), capacity, attended };
      const dispatches = policy.attend(arena, layer);
      return { query, attended, dispatches, selected: policy.selectedTokens!(arena, layer) };
    });
    const results = data.map((): { lists: number[][]; out: Float32Array }[] => []);
    for (let position = first; position < length; position++) {
      hash.advance(position + 1);
      for (const [at, { query, attended, dispatches, selected }] of prepared.entries()) {
        const { selected: count } = policy.attendedSet(position + 1, data[at]!.index);
        writeRows(cache, data[at]!, position, position + 1);
        writeStep(gpu(), step, { position, rows: 1, index: 0 });
        gpu().device.queue.writeBuffer(query.buffer, 0, queries[at]![position - first]!);
        submitDispatches(gpu(), [...dispatches, ...selected.dispatches]);
        const [lists = 0, width = 0] = selected.tokenLists.shape;
        const all = await readU32(gpu(), selected.tokenLists);
        results[at]!.push({
          lists: Array.from({ length: lists }, (_, i) => [...all.subarray(i * width, i * width + count)]),
          out: await readF32(gpu(), attended),
        });
      }
    }
    arena.dispose();
    hash.dispose();
    cache.dispose();
    return results;
  }

  /** Golden rows [begin, end), where the engine would have written them. */
  function writeRows(
    cache: KvCache,
    { index, keyBytes, valueBytes }: Layer,
    begin: number,
    end: number,
  ): void {
    const { key, value } = cache.layer(index);
    for (let head = 0; head < kvHeads; head++) {
      for (const [to, bytes] of [
        [key, keyBytes],
        [value, valueBytes],
      ] as const) {
        const rows = bytes.slice((head * length + begin) * headDim * 2, (head * length + end) * headDim * 2);
        gpu().device.queue.writeBuffer(to.buffer, (head * cache.capacity + begin) * headDim * 2, rows);
      }
    }
  }
});

/** Fails where a list misses a token that every right list has, holds one that none has, is of another length, or is
 *  not ascending. */
function expectLists(
  lists: readonly (readonly number[])[],
  { queryMap, mappedKeys }: Layer,
  step: {
    readonly scoring: HashScoring;
    readonly query: Float32Array;
    readonly ranges: TokenRanges;
    readonly n: number;
  },
  where: string,
): void {
  const { scoring, query, ranges, n } = step;
  const mapped = Array.from({ length: qHeads }, (_, head) =>
    mapWithBound(queryMap, head, query.subarray(head * headDim, (head + 1) * headDim)),
  );
  const headsPerList = scoring.lists === 'kv-head' ? group : 1;
  expect(lists.length, where).toBe(qHeads / headsPerList);
  lists.forEach((list, i) => {
    const costs = bitCosts(scoring, mapped.slice(i * headsPerList, (i + 1) * headsPerList));
    const keys = mappedKeys[Math.floor((i * headsPerList) / group)]!;
    const spans = keys.slice(0, n).map((key) => distanceSpan(costs, key));
    const { certain, possible } = decidedTokens(spans, ranges);
    const what = `${where}, list ${i}`;
    expect(list.length, what).toBe(ranges.selected);
    expect(list, what).toEqual([...new Set(list)].sort((a, b) => a - b));
    const kept = new Set(list);
    expect(
      [...certain].filter((token) => !kept.has(token)),
      `${what}: missing`,
    ).toEqual([]);
    expect(
      list.filter((token) => !possible.has(token)),
      `${what}: wrong`,
    ).toEqual([]);
  });
}

/** The golden query last, and before it others of its size and about its direction. */
function queriesLike(golden: Float64Array, random: Random): Float32Array<ArrayBuffer>[] {
  const size = Math.sqrt(golden.reduce((sum, x) => sum + x * x, 0) / golden.length);
  return Array.from({ length: steps }, (_, step) => {
    const spread = step === steps - 1 ? 0 : size;
    return Float32Array.from(golden, (x) => x + spread * random.normal());
  });
}

function layerOf(index: number, golden: Checkpoint, weights: Checkpoint): Layer {
  const name = `layers.${index}`;
  const stagesOf = (of: 'query' | 'key'): MapStage[] =>
    [64, 32].map((outputs, stage) => ({
      inputs: 64,
      outputs,
      weight: weights.values(`${name}.${of}.${stage}.weight`),
      bias: weights.values(`${name}.${of}.${stage}.bias`),
    }));
  const keys = golden.values(`${name}.key`);
  const keyMap = stagesOf('key');
  const row = (at: number) => keys.subarray(at * headDim, (at + 1) * headDim);
  return {
    index,
    keys,
    values: golden.values(`${name}.value`),
    keyBytes: golden.bytes(`${name}.key`),
    valueBytes: golden.bytes(`${name}.value`),
    query: golden.values(`${name}.query`),
    queryMap: stagesOf('query'),
    mappedKeys: Array.from({ length: kvHeads }, (_, head) =>
      Array.from({ length }, (_, token) => mapWithBound(keyMap, head, row(head * length + token))),
    ),
  };
}
