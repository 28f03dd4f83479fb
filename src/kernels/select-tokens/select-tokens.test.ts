import { describe, expect, test } from 'vitest';
import { Checkpoint } from '../../../test/support/checkpoint.ts';
import { readTestFile } from '../../../test/support/test-files.ts';
import { boundedSum, certainLevels } from '../hash-query/hash-query.ref.ts';
import { quantiseQuery } from '../hash-reference/query-planes.ref.ts';
import { Arena } from '../runtime/arena.ts';
import { type Dispatch, submitDispatches } from '../runtime/dispatch.ts';
import { readU32 } from '../runtime/readback.ts';
import { countedWords } from '../shared/token-chunks.ts';
import { onHardware } from '../testing/on-hardware.ts';
import { levelsOf, mapsOfPlanes, probingSignatures } from '../testing/planes-as-maps.ts';
import { Random, runSeed } from '../testing/random.ts';
import { withWideSubgroups } from '../testing/wide-subgroups.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { type SelectTokensInput, selectTokensReference } from './select-tokens.ref.ts';
import {
  prepareSelectTokens,
  type SelectTokens,
  type SelectTokensShape,
  type SelectTokensVariant,
} from './select-tokens.ts';

/** A shape, and how many lists share a head's signatures. */
type Scoring = Omit<SelectTokensShape, 'variant'> & { readonly listsPerHead: number };

const asymmetric: Scoring = {
  score: { kind: 'asymmetric', queryBits: 4 },
  summed: 3,
  words: 1,
  signatures: 'shared',
  listsPerHead: 1,
};
const hamming: Scoring = { ...asymmetric, score: { kind: 'hamming' } };
const scorings: readonly Scoring[] = [
  asymmetric,
  hamming,
  { ...asymmetric, words: 2 },
  { ...asymmetric, score: { kind: 'asymmetric', queryBits: 1 }, summed: 1, listsPerHead: 3 },
  { ...hamming, summed: 8, words: 2, signatures: 'own' },
  { ...asymmetric, score: { kind: 'asymmetric', queryBits: 2 }, summed: 7, words: 2, listsPerHead: 2 },
];
const variants = ['workgroup', 'subgroup', 'serial'] as const;

interface Case extends Omit<SelectTokensInput, 'headOf' | 'exponents'> {
  readonly scoring: Scoring;
  readonly chunks: number;
}

const shareUnit = 65536;

function planesOf({ score, summed }: Scoring): number {
  return score.kind === 'asymmetric' ? score.queryBits : summed;
}

function exponentsOf(scoring: Scoring): number[] {
  return Array.from({ length: planesOf(scoring) }, (_, p) => (scoring.score.kind === 'asymmetric' ? p : 0));
}

function expectedLists(one: Case): number[][] {
  const { scoring, planes } = one;
  return selectTokensReference({
    ...one,
    exponents: exponentsOf(scoring),
    headOf: (list, plane) =>
      scoring.signatures === 'own' ? list * planes + plane : Math.floor(list / scoring.listsPerHead),
  });
}

/** Signatures and planes of every kind: independent bits, few different words, one word, and distances from none to
 *  the largest, so that ties are anything from none to all. */
function randomWords(random: Random, count: number): Uint32Array<ArrayBuffer> {
  const few = random.words(random.integer(1, 6));
  switch (random.integer(0, 3)) {
    case 0:
      return random.words(count);
    case 1:
      return Uint32Array.from({ length: count }, () => few[random.integer(0, few.length - 1)]!);
    case 2:
      return new Uint32Array(count).fill(random.integer(0, 1) === 0 ? 0 : 0xffffffff);
    default:
      return Uint32Array.from({ length: count }, () => few[0]! ^ (1 << random.integer(0, 31)));
  }
}

function smallEdges(random: Random): { sink: number; window: number } {
  return { sink: random.integer(0, 99), window: random.integer(1, 99) };
}

function randomCase(random: Random, scoring: Scoring, n: number, mostChunks: number): Case {
  const { words, signatures, listsPerHead } = scoring;
  const planes = planesOf(scoring);
  const lists = listsPerHead * random.integer(1, n > 3000 ? 1 : 3);
  const capacity = Math.ceil(n / 4) * 4 + 4 * random.integer(0, 9);
  const heads = signatures === 'own' ? lists * planes : lists / listsPerHead;
  const edge = (): number => random.integer(0, [0, 3, 20, Math.ceil(n / 3), n + 5][random.integer(0, 4)]!);
  const rule = random.integer(0, 3); // a count, a share, both or neither
  return {
    scoring,
    planes,
    words,
    lists,
    capacity,
    n,
    queryPlanes: withHighestLevel(randomWords(random, lists * planes * words), planes * words, words),
    signatures: randomWords(random, heads * capacity * words),
    budget: {
      sink: edge(),
      window: 1 + edge(),
      count: rule & 1 ? edge() : 0,
      share: rule & 2 ? random.integer(1, random.integer(0, 1) === 0 ? 8192 : shareUnit) : 0,
    },
    chunks: 4 * random.integer(1, random.integer(0, 2) === 0 ? mostChunks / 4 : 1),
  };
}

/** Bit 0 of every plane is set: levels are found again from maps only where one of them is extreme. */
function withHighestLevel(planes: Words, perList: number, words: number): Words {
  return planes.map((word, i) => ((i % perList) % words === 0 ? (word | 1) >>> 0 : word));
}

const untouched = 0xdeadbeef;

// What a device runs by itself is tested a hundred times over and on a million tokens, other variants on random cases.
describe(`select-tokens (seed ${runSeed})`, () => {
  const gpu = withGpu();

  function prepare({ listsPerHead: _, ...shape }: Scoring, variant: SelectTokensVariant) {
    return prepareSelectTokens(gpu(), { ...shape, variant });
  }

  /** The dispatches of one case and the list they fill, of one entry more than may be selected. */
  function dispatchesOf(arena: Arena, select: SelectTokens, one: Case, runs = 1) {
    const { lists, capacity, chunks, n } = one;
    const { sink, window, count, share } = one.budget;
    const listCapacity = n + 1;
    const { score, summed, words } = one.scoring;
    const mapped = Float32Array.from(
      Array.from({ length: lists }, (_, list) => {
        const perList = one.planes * words;
        const planes = one.queryPlanes.subarray(list * perList, (list + 1) * perList);
        return [...mapsOfPlanes(planes, words, summed, score.kind === 'asymmetric')];
      }).flat(),
    );
    const signatures = arena.tensorFrom(
      'signatures',
      'u32',
      [one.signatures.length],
      one.signatures as Words,
    );
    const shape = { chunks, bins: select.bins };
    const stale = new Uint32Array(countedWords(lists, capacity, shape)).fill(untouched);
    const args = {
      step: { buffer: arena.uniform('step', Uint32Array.of(n - 1, 1, 0, 0).buffer) },
      budget: { buffer: arena.uniform('budget', Uint32Array.of(sink, window, count, share).buffer) },
      mapped: arena.tensorFrom('mapped', 'f32', [mapped.length], mapped),
      signatures,
      counted: { ...shape, buffer: arena.tensorFrom('counted', 'u32', [stale.length], stale) },
      lists,
      listsPerHead: one.scoring.listsPerHead,
      capacity,
    };
    const blank = new Uint32Array(lists * listCapacity).fill(untouched);
    const outputs = Array.from({ length: runs }, () =>
      arena.tensorFrom('list', 'u32', [lists, listCapacity], blank),
    );
    const dispatches = outputs.flatMap((list): Dispatch[] => [
      select.count(arena, { ...args, label: 'count' }),
      select.list(arena, { ...args, label: 'list', list, listCapacity }),
    ]);
    return { dispatches, outputs };
  }

  function expectLists(got: Uint32Array, one: Case, what: string): void {
    const { scoring, n, lists, budget, chunks } = one;
    const listCapacity = n + 1;
    const about = JSON.stringify({ what, scoring, n, lists, budget, chunks });
    for (const [index, list] of expectedLists(one).entries()) {
      const row = got.subarray(index * listCapacity, (index + 1) * listCapacity);
      const wrong = row.findIndex((token, i) => token !== (list[i] ?? untouched));
      if (wrong < 0) continue;
      throw new Error(`${about}, list ${index}, entry ${wrong}: expected ${list[wrong]}, got ${row[wrong]}`);
    }
  }

  async function compare(select: SelectTokens, cases: readonly Case[], what: string): Promise<void> {
    const arena = new Arena(gpu());
    const prepared = cases.map((one) => dispatchesOf(arena, select, one));
    submitDispatches(
      gpu(),
      prepared.flatMap(({ dispatches }) => dispatches),
    );
    for (const [i, one] of cases.entries()) {
      expectLists(await readU32(gpu(), prepared[i]!.outputs[0]!), one, what);
    }
    arena.dispose();
  }

  for (const variant of variants) {
    const isFast = variant === 'serial' || onHardware;
    const some = isFast ? scorings : [scorings[runSeed % scorings.length]!];
    test.each(some)(`${variant} equals the reference for %o`, async (scoring) => {
      const random = new Random(runSeed + scorings.indexOf(scoring));
      const select = await prepare(scoring, variant);
      expect(select.variant).toBe(variant);
      // A workgroup of 256 lanes costs a CPU adapter milliseconds per barrier: fewer cases, of fewer chunks, there.
      const [batches, perBatch, most, longest] = isFast ? [7, 50, 32, 40_000] : [1, 16, 4, 600];
      for (let batch = 0; batch < batches; batch++) {
        const cases = Array.from({ length: perBatch }, () => {
          const n = Math.floor(2 ** (random.next() * 11.5));
          return randomCase(random, scoring, n, most);
        });
        await compare(select, cases, variant);
      }
      // Chunks longer than the groups that are listed at a time.
      const chunks = 4;
      const n = random.integer(8400 * chunks, 8400 * chunks + longest);
      const budget = { ...smallEdges(random), count: 0, share: random.integer(2048, shareUnit) };
      await compare(select, [{ ...randomCase(random, scoring, n, 1), budget, chunks }], variant);
    });
  }

  // Graphics cards have wider subgroups than the CI's adapter.
  const wide = [8, 32, 64][runSeed % 3]!;
  test(`subgroups of ${wide}, emulated, equal the reference`, async () => {
    const random = new Random(runSeed + wide);
    const scoring = scorings[random.integer(0, scorings.length - 1)]!;
    const { listsPerHead: _, ...shape } = scoring;
    const select = await prepareSelectTokens(withWideSubgroups(gpu(), wide), {
      ...shape,
      variant: 'subgroup',
    });
    const cases = Array.from({ length: 12 }, () =>
      randomCase(random, scoring, Math.floor(2 ** (random.next() * 11.5)), 32),
    );
    await compare(select, cases, `subgroups of ${wide}`);
  });

  test('a list for every distance: of one word with bit i alone different for token i', async () => {
    const select = await prepare(asymmetric, 'serial');
    const n = 32;
    const one: Case = {
      scoring: asymmetric,
      planes: 4,
      words: 1,
      lists: 1,
      capacity: n,
      n,
      queryPlanes: new Uint32Array(4),
      signatures: Uint32Array.from({ length: n }, (_, i) => 2 ** i - 1), // distance 15 · i
      budget: { sink: 0, window: 0, count: 0, share: 0 },
      chunks: 4,
    };
    const cases = Array.from({ length: n + 2 }, (_, count) => ({
      ...one,
      budget: { ...one.budget, count },
    }));
    for (const given of cases) {
      expect(expectedLists(given)).toEqual([
        Array.from({ length: Math.min(given.budget.count, n) }, (_, i) => i),
      ]);
    }
    await compare(select, cases, 'every count');
  });

  for (const variant of variants) {
    test(`${variant} makes the planes of sums and of signs`, async () => {
      const random = new Random(runSeed + variant.length);
      for (const scoring of variant === 'serial' ? scorings : scorings.slice(0, 2)) {
        await comparePlanes(await prepare(scoring, variant), scoring, random);
      }
    });
  }

  /** Distances of signatures with one bit each tell the level of every element, two lists at a time; a level is certain
   *  where s / scale is not within rounding of an integer. */
  async function comparePlanes(select: SelectTokens, scoring: Scoring, random: Random): Promise<void> {
    const { score, summed, words, signatures, listsPerHead } = scoring;
    const bits = 32 * words;
    const [lists, n] = [2 * listsPerHead, bits + 1];
    const capacity = bits + 4;
    const heads = signatures === 'own' ? lists * summed : lists / listsPerHead;
    const probes = new Uint32Array(heads * capacity * words);
    for (let head = 0; head < heads; head++) probes.set(probingSignatures(words), head * capacity * words);
    // The last list's maps are all zero: scale 1, and no sign.
    const mapped = random.normals(lists * summed * bits).fill(0, (lists - 1) * summed * bits);
    const arena = new Arena(gpu());
    const shape = { chunks: 4, bins: select.bins };
    const buffer = arena.tensor('counted', 'u32', [countedWords(lists, capacity, shape)]);
    submitDispatches(gpu(), [
      select.count(arena, {
        label: 'planes',
        step: { buffer: arena.uniform('step', Uint32Array.of(n - 1, 1, 0, 0).buffer) },
        budget: { buffer: arena.uniform('budget', Uint32Array.of(0, 0, 1, 0).buffer) },
        mapped: arena.tensorFrom('mapped', 'f32', [mapped.length], mapped),
        signatures: arena.tensorFrom('signatures', 'u32', [probes.length], probes),
        counted: { ...shape, buffer },
        lists,
        listsPerHead,
        capacity,
      }),
    ]);
    const halves = new Uint16Array((await readU32(gpu(), buffer)).buffer);
    arena.dispose();
    const weight = exponentsOf(scoring).reduce((sum, exponent) => sum + 2 ** exponent, 0);
    for (let list = 0; list < lists; list++) {
      const first = list * Math.ceil(capacity / 32) * 32;
      const got = levelsOf(halves.subarray(first, first + n), weight);
      const maps = Array.from({ length: summed }, (_, h) =>
        Float64Array.from({ length: bits }, (_, i) => mapped[(list * summed + h) * bits + i]!),
      );
      const sums = boundedSum(maps.map((values) => ({ values, bounds: values.map(() => 0) })));
      const isCertain =
        score.kind === 'asymmetric' ? certainLevels(sums, score.queryBits) : got.map(() => true);
      const expected =
        score.kind === 'asymmetric'
          ? [...quantiseQuery(sums.values, score.queryBits)].map((w) => (w + weight) / 2)
          : got.map((_, i) => maps.filter((values) => values[i]! > 0).length);
      expect(isCertain.filter(Boolean).length).toBeGreaterThan(0.8 * bits);
      expect(
        got.filter((_, i) => isCertain[i]),
        `list ${list} of ${JSON.stringify(scoring)}`,
      ).toEqual(expected.filter((_, i) => isCertain[i]));
    }
  }

  test('gives the same bits 100 times', async () => {
    const random = new Random(runSeed - 1);
    const select = await prepareSelectTokens(gpu(), hamming);
    const one: Case = {
      ...randomCase(random, hamming, random.integer(3000, 5000), 1),
      signatures: random.words(3 * 5000),
      capacity: 5000,
      budget: { sink: 7, window: 100, count: 0, share: shareUnit / 32 },
      chunks: 8,
    };
    const arena = new Arena(gpu());
    const { dispatches, outputs } = dispatchesOf(arena, select, one, 100);
    submitDispatches(gpu(), dispatches);
    for (const output of outputs) expectLists(await readU32(gpu(), output), one, select.variant);
    arena.dispose();
  });

  test('takes a million tokens with the chunks it proposes', async () => {
    const random = new Random(runSeed - 2);
    const select = await prepareSelectTokens(gpu(), asymmetric);
    const n = 2 ** 20 - random.integer(0, 5);
    const one: Case = {
      ...randomCase(random, asymmetric, 4, 1),
      lists: 1,
      n,
      capacity: 2 ** 20,
      queryPlanes: withHighestLevel(random.words(4), 4, 1),
      signatures: random.words(2 ** 20),
      budget: { sink: 128, window: 128, count: 0, share: shareUnit / 32 },
      chunks: select.chunksFor(2 ** 20, 8),
    };
    await compare(select, [one], 'a million');
  });

  const golden = 'golden/SmolLM2-135M-Instruct-4bit/hash_step.safetensors';
  test.each([5, 17])("finds an independent program's lists at layer %i", async (layer) => {
    const bytes = await readTestFile(golden);
    if (!bytes) throw new Error(`no ${golden}`);
    const file = new Checkpoint(new Map([[golden, bytes]]));
    const wordsOf = (name: string) => Uint32Array.from(file.values(`layers.${layer}.${name}`));
    const modes = [
      { mode: 'asymmetric', scoring: asymmetric, queryPlanes: wordsOf('query_planes') },
      { mode: 'hamming', scoring: hamming, queryPlanes: wordsOf('query_signature') },
      {
        mode: 'hamming_per_query_head',
        scoring: { ...hamming, summed: 1, listsPerHead: 3 },
        queryPlanes: wordsOf('query_signature'),
      },
    ];
    for (const { mode, scoring, queryPlanes } of modes) {
      const select = await prepare(scoring, 'serial');
      for (const count of [64, 125]) {
        const lists = 3 * scoring.listsPerHead;
        const one: Case = {
          scoring,
          planes: planesOf(scoring),
          words: 1,
          lists,
          capacity: 2000,
          n: 2000,
          queryPlanes,
          signatures: wordsOf('key_signature'),
          budget: { sink: 128, window: 128, count, share: 0 },
          chunks: 4,
        };
        const arena = new Arena(gpu());
        const { dispatches, outputs } = dispatchesOf(arena, select, one);
        submitDispatches(gpu(), dispatches);
        const got = await readU32(gpu(), outputs[0]!);
        const selected = Array.from({ length: lists }, (_, list) =>
          got.subarray(list * 2001, list * 2001 + count),
        );
        expect(selected.flatMap((list) => [...list])).toEqual([...wordsOf(`${mode}.selected_${count}`)]);
        arena.dispose();
      }
    }
  });
});

type Words = Uint32Array<ArrayBuffer>;
