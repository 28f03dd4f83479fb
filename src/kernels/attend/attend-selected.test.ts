/** A whole HashAttention step on random shapes: signatures, maps, distances, selection, attended values; each stage against
 *  its reference on what the stage before gave, so that a bit turned by rounding is not counted twice. */
import { describe, expect, test } from 'vitest';
import { blockSumsReference } from '../block-sums/block-sums.ref.ts';
import { prepareHashKeys } from '../hash-keys/hash-keys.ts';
import { boundedMap, boundedSum, certainLevels } from '../hash-query/hash-query.ref.ts';
import { prepareHashQuery } from '../hash-query/hash-query.ts';
import { type HashScoring, keySignatures, queryPlanes, tokenDistances } from '../hash-reference/step.ref.ts';
import {
  attendedTokens,
  selectTokens,
  type TokenBudget,
  tokenRanges,
} from '../hash-reference/token-set.ref.ts';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import type { KernelVariant } from '../runtime/gpu.ts';
import { readF32, readU32 } from '../runtime/readback.ts';
import { prepareSelectTokens } from '../select-tokens/select-tokens.ts';
import { floatFromHalf, halfFromFloat } from '../shared/half.ts';
import { blockSumsShape, blockTokens } from '../shared/token-blocks.ts';
import { countedWords } from '../shared/token-chunks.ts';
import { expectClose } from '../testing/expect-close.ts';
import { Random, runSeed } from '../testing/random.ts';
import { randomSignatureMap } from '../testing/random-signature-map.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { attendListedReference, listedBound } from './attend-listed.ref.ts';
import { type AttendSelected, prepareAttendSelected } from './attend-selected.ts';
import { subgroupTakes } from './split-plan.ts';

interface Shape {
  readonly kvHeads: number;
  readonly group: number;
  readonly headDim: number;
  readonly bits: 32 | 64;
  readonly scoring: HashScoring;
}

const scorings: readonly HashScoring[] = [
  { score: 'asymmetric', queryBits: 4, sharing: 'kv-head', lists: 'kv-head' },
  { score: 'hamming', queryBits: 1, sharing: 'query-head', lists: 'kv-head' },
  { score: 'hamming', queryBits: 1, sharing: 'kv-head', lists: 'kv-head' },
  { score: 'hamming', queryBits: 1, sharing: 'query-head', lists: 'query-head' },
  { score: 'asymmetric', queryBits: 3, sharing: 'kv-head', lists: 'query-head' },
];

function randomShape(random: Random, scoring: HashScoring, headDims: readonly number[]): Shape {
  return {
    kvHeads: random.integer(1, 3),
    group: random.integer(1, 8),
    headDim: headDims[random.integer(0, headDims.length - 1)]!,
    bits: random.integer(0, 3) === 0 ? 64 : 32,
    scoring,
  };
}

interface Situation {
  /** Tokens in the context, the current one included. */
  readonly n: number;
  readonly budget: TokenBudget;
}

const shareUnit = 65536;

/** Contexts from 1 to `most` tokens, short ones as likely as long ones; edges from nothing to more than there is. */
function randomSituation(random: Random, most: number): Situation {
  const n = Math.floor(2 ** (random.next() * Math.log2(most + 1)));
  const edge = (): number => random.integer(0, [0, 5, 40, Math.ceil(n / 3), n + 9][random.integer(0, 4)]!);
  const isCount = random.integer(0, 1) === 0;
  return {
    n,
    budget: {
      sink: edge(),
      window: 1 + edge(),
      count: isCount ? edge() : 0,
      share: isCount ? 0 : random.integer(0, random.integer(0, 2) === 0 ? shareUnit : 9000),
    },
  };
}

async function prepare(gpu: Parameters<typeof prepareHashQuery>[0], shape: Shape, variant: KernelVariant) {
  const { kvHeads, group, headDim, bits, scoring } = shape;
  const { score, queryBits, sharing, lists } = scoring;
  const mapVariant = variant === 'serial' ? 'serial' : 'workgroup';
  const [hashKeys, hashQuery, select] = await Promise.all([
    prepareHashKeys(gpu, { width: Math.max(64, headDim), variant: 'serial' }),
    prepareHashQuery(gpu, { qHeads: kvHeads * group, width: Math.max(64, headDim), variant: mapVariant }),
    prepareSelectTokens(gpu, {
      score: score === 'asymmetric' ? { kind: score, queryBits } : { kind: score },
      summed: lists === 'kv-head' ? group : 1,
      words: bits === 64 ? 2 : 1,
      signatures: lists === 'kv-head' && sharing === 'query-head' ? 'own' : 'shared',
      variant,
    }),
  ]);
  const attendShape = { headDim, group, lists, variant, bins: select.bins };
  const [plain, tail] = await Promise.all([
    prepareAttendSelected(gpu, { ...attendShape, tail: false }),
    prepareAttendSelected(gpu, { ...attendShape, tail: true }),
  ]);
  return { hashKeys, hashQuery, select, plain, tail };
}

describe(`HashAttention step (seed ${runSeed})`, () => {
  const gpu = withGpu();

  async function compare(
    shape: Shape,
    kernels: Awaited<ReturnType<typeof prepare>>,
    { n, budget }: Situation,
    random: Random,
  ): Promise<void> {
    const { kvHeads, group, headDim, bits, scoring } = shape;
    const qHeads = kvHeads * group;
    const words = bits / 32;
    const capacity = Math.ceil(n / 4) * 4 + 4 * random.integer(0, 9);
    const lists = scoring.lists === 'kv-head' ? kvHeads : qHeads;
    const signatureHeads = scoring.sharing === 'kv-head' ? kvHeads : qHeads;
    const about = JSON.stringify({ ...shape, n, budget, capacity, variant: kernels.plain.variant });
    const arena = new Arena(gpu());

    // K and V differ from zero on average, so that the tail is something; NaN beyond the context.
    const cached = (): { halves: Float64Array; tensor: ReturnType<Arena['tensor']> } => {
      const packed = new Uint16Array(kvHeads * capacity * headDim).fill(0x7e00);
      for (let head = 0; head < kvHeads; head++) {
        for (let i = 0; i < n * headDim; i++) {
          packed[head * capacity * headDim + i] = halfFromFloat(random.normal() + (i % 3) - 1);
        }
      }
      return {
        halves: Float64Array.from(packed, floatFromHalf),
        tensor: arena.tensorFrom(
          'cache',
          'f16-packed',
          [kvHeads, capacity, headDim],
          new Uint32Array(packed.buffer),
        ),
      };
    };
    const [keys, values] = [cached(), cached()];
    const query = random.normals(qHeads * headDim);
    const queryMap = randomSignatureMap(arena, random, qHeads, [headDim, 24, bits]);
    const keyMap = randomSignatureMap(arena, random, signatureHeads, [headDim, bits]);

    const chunks = 4 * random.integer(1, random.integer(0, 2) === 0 ? 8 : 3);
    const counted = { chunks, bins: kernels.select.bins };
    const countedBuffer = arena.tensor('counted', 'u32', [countedWords(lists, capacity, counted)]);
    const mapped = arena.tensor('mapped', 'f32', [qHeads, bits]);
    const signatures = arena.tensor('signatures', 'u32', [signatureHeads, capacity, words]);
    const out = arena.tensor('out', 'f32', [qHeads, headDim]);
    const outWithTail = arena.tensor('out with tail', 'f32', [qHeads, headDim]);
    const list = arena.tensorFrom(
      'list',
      'u32',
      [lists, n + 1],
      new Uint32Array(lists * (n + 1)).fill(0xffffffff),
    );
    const sums = { keys: keys.halves, values: values.halves, kvHeads, headDim, capacity, blockTokens };
    const blockSums = arena.tensorFrom(
      'block sums',
      'f32',
      blockSumsShape(kvHeads, capacity, headDim),
      Float32Array.from(blockSumsReference({ ...sums, length: n - 1 }).sums),
    );
    const stepOf = (position: number, rows: number) => ({
      buffer: arena.uniform('step', Uint32Array.of(position, rows, 0, 0).buffer),
    });
    const step = stepOf(n - 1, 1);
    const budgetSlice = {
      buffer: arena.uniform(
        'budget',
        Uint32Array.of(budget.sink, budget.window, budget.count, budget.share).buffer,
      ),
    };
    const cache = { keyCache: keys.tensor, kvHeads, headDim, capacity };
    const selection = {
      ...{ step, budget: budgetSlice, lists, capacity },
      counted: { ...counted, buffer: countedBuffer },
    };
    const ranges = tokenRanges(n, budget);
    const tokens = ranges.sinkEnd + ranges.selected + n - ranges.windowStart;
    const [splits, slots] = [random.integer(1, 9), random.integer(1, 3)];
    const attending = (attend: AttendSelected, result: typeof out) =>
      attend.attend(arena, {
        ...{ ...cache, step, budget: budgetSlice, query: queryTensor, valueCache: values.tensor },
        ...{ label: 'attended', counted: selection.counted, blockSums, out: result },
        scratch: attend.scratch(arena, { kvHeads, capacity, tokens, splits, slots }),
      });
    const queryTensor = arena.tensorFrom('query', 'f32', [qHeads, headDim], query);
    submitDispatches(gpu(), [
      ...(n > 1
        ? [
            kernels.hashKeys(arena, {
              ...{ ...cache, label: 'keys', step: stepOf(0, n - 1), rows: n - 1, signatures },
              keyMap: keyMap.map,
            }),
          ]
        : []),
      kernels.hashQuery(arena, {
        ...{ ...cache, label: 'mapped', step, query: queryTensor, mapped, signatures },
        ...{ queryMap: queryMap.map, keyMap: keyMap.map },
      }),
      kernels.select.count(arena, {
        ...{ ...selection, label: 'count', mapped, signatures },
        listsPerHead: scoring.sharing === 'kv-head' ? lists / kvHeads : 1,
      }),
      kernels.select.list(arena, { ...selection, label: 'list', list, listCapacity: n + 1 }),
      ...attending(kernels.plain, out),
      ...attending(kernels.tail, outWithTail),
    ]);

    // Maps, within rounding; signatures, where rounding cannot turn them: of the newest key and of one before.
    const gotMapped = await readF32(gpu(), mapped);
    for (let head = 0; head < qHeads; head++) {
      const { values: expected, bounds } = boundedMap(
        queryMap.stages,
        head,
        query.subarray(head * headDim, (head + 1) * headDim),
      );
      const got = gotMapped.subarray(head * bits, (head + 1) * bits);
      expectClose(got, expected, (i) => bounds[i]!, `map of query head ${head}: ${about}`);
    }
    const gotSignatures = await readU32(gpu(), signatures);
    const signatureAt = (head: number, token: number) =>
      gotSignatures.subarray((head * capacity + token) * words, (head * capacity + token + 1) * words);
    for (const token of [n - 1, random.integer(0, n - 1)]) {
      for (let head = 0; head < signatureHeads; head++) {
        const row = (Math.floor((head * kvHeads) / signatureHeads) * capacity + token) * headDim;
        const key = keys.halves.subarray(row, row + headDim);
        const { values: expected, bounds } = boundedMap(keyMap.stages, head, key);
        const [own] = keySignatures(
          { ...shape, qHeads, scoring: { ...scoring, sharing: 'kv-head' }, kvHeads: 1 },
          headStages(keyMap.stages, head),
          key,
        );
        const certain = expected.map((value, i) => (Math.abs(value) > bounds[i]! ? 1 : 0));
        own![0]!.forEach((word, w) => {
          const mask = certain.subarray(32 * w, 32 * w + 32).reduce((m, bit, i) => m | (bit << i), 0);
          expect((signatureAt(head, token)[w]! ^ word) & mask, `signature ${head}, ${token}: ${about}`).toBe(
            0,
          );
        });
      }
    }

    // Distances exactly, where no level is within rounding of the next; then lists exactly.
    const group2 = scoring.lists === 'kv-head' ? group : 1;
    const rows = Array.from({ length: qHeads }, (_, head) =>
      Float64Array.from(gotMapped.subarray(head * bits, (head + 1) * bits)),
    );
    const planes = queryPlanes({ ...shape, qHeads }, rows);
    const signaturesByHead = Array.from({ length: signatureHeads }, (_, head) =>
      Array.from({ length: n }, (_, token) => signatureAt(head, token)),
    );
    const expectedDistances = tokenDistances({ ...shape, qHeads }, planes, signaturesByHead);
    const halves = new Uint16Array((await readU32(gpu(), countedBuffer)).buffer);
    const gotList = await readU32(gpu(), list);
    const selected = Array.from({ length: lists }, (_, index) => {
      const first = index * Math.ceil(capacity / 32) * 32;
      const got = Int32Array.from(halves.subarray(first, first + n));
      const ofList = rows.slice(index * group2, (index + 1) * group2);
      const sum = boundedSum(ofList.map((all) => ({ values: all, bounds: all.map(() => 0) })));
      const isCertain =
        scoring.score === 'hamming' || certainLevels(sum, scoring.queryBits).every((certain) => certain);
      if (isCertain && ranges.selected > 0) {
        const candidates = (all: Int32Array) => all.subarray(ranges.sinkEnd, ranges.windowStart);
        expect(candidates(got), `distances of list ${index}: ${about}`).toEqual(
          candidates(expectedDistances[index]!),
        );
      }
      const expected = selectTokens(got, ranges);
      const row = gotList.subarray(index * (n + 1), (index + 1) * (n + 1));
      expect([...row.subarray(0, expected.length)], `list ${index}: ${about}`).toEqual(expected);
      expect(row[expected.length], 'nothing more').toBe(0xffffffff);
      return expected;
    });

    const reference = {
      ...{ query, keys: keys.halves, values: values.halves, qHeads, kvHeads, headDim, capacity, length: n },
      tokensOf: (head: number) => attendedTokens(n, ranges, selected[Math.floor((head * lists) / qHeads)]!),
    };
    for (const [hasTail, tensor] of [
      [false, out],
      [true, outWithTail],
    ] as const) {
      const expected = attendListedReference({ ...reference, tail: hasTail });
      const bound = listedBound(expected, { headDim, attended: tokens, splits, runs: slots });
      expectClose(await readF32(gpu(), tensor), expected.out, bound, `tail ${hasTail}: ${about}`);
    }
    arena.dispose();
  }

  for (const scoring of scorings) {
    test(`serial, random shapes: ${JSON.stringify(scoring)}`, async () => {
      const random = new Random(runSeed + scorings.indexOf(scoring));
      const shape = randomShape(random, scoring, [32, 48, 64, 80, 128, 256]);
      const kernels = await prepare(gpu(), shape, 'serial');
      const most = Math.min(2000, Math.floor(150_000 / (shape.kvHeads * shape.group * shape.headDim)));
      for (let i = 0; i < 40; i++) await compare(shape, kernels, randomSituation(random, most), random);
    });
  }

  test('serial, a long context', async () => {
    const random = new Random(runSeed - 1);
    const shape = { kvHeads: 1, group: 2, headDim: 32, bits: 32, scoring: scorings[0]! } as const;
    const kernels = await prepare(gpu(), shape, 'serial');
    const budget = { sink: 128, window: 128, count: 0, share: random.integer(100, 4000) };
    await compare(shape, kernels, { n: random.integer(20_000, 70_000), budget }, random);
  });

  // Pipelines of these take seconds to compile on a CPU adapter: a run draws one shape for each.
  for (const [i, variant] of (['workgroup', 'subgroup'] as const).entries()) {
    const scoring = scorings[((runSeed >> 4) + i) % 3]!;
    test(`${variant}, a random shape: ${JSON.stringify(scoring)}`, async () => {
      const random = new Random(runSeed + variant.length);
      const headDims = [32, 64, 128].filter((size) => variant === 'workgroup' || subgroupTakes(gpu(), size));
      const shape = { ...randomShape(random, scoring, headDims), kvHeads: 1 };
      const kernels = await prepare(gpu(), shape, variant);
      for (let i = 0; i < 12; i++) await compare(shape, kernels, randomSituation(random, 300), random);
      // more than a round of tokens in a split
      const most = { sink: 3, window: 5, count: 0, share: shareUnit - 5000 };
      await compare(shape, kernels, { n: random.integer(2100, 2600), budget: most }, random);
    });
  }
});

/** One head of stacked maps. */
function headStages(
  stages: Parameters<typeof keySignatures>[1],
  head: number,
): Parameters<typeof keySignatures>[1] {
  return stages.map((stage) => {
    const { inputs, outputs, weight, bias } = stage;
    return {
      ...{ inputs, outputs },
      weight: Array.from({ length: outputs * inputs }, (_, i) => weight[head * outputs * inputs + i]!),
      bias: Array.from({ length: outputs }, (_, i) => bias[head * outputs + i]!),
    };
  });
}
