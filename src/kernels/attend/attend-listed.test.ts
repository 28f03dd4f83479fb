import { describe, expect, test } from 'vitest';
import { blockSumsReference } from '../block-sums/block-sums.ref.ts';
import { tailOf } from '../hash-reference/tail.ref.ts';
import { type TokenBudget, tokenRanges } from '../hash-reference/token-set.ref.ts';
import { floatFromHalf, halfFromFloat } from '../shared/half.ts';
import { blockSumsShape, blockTokens, tailKinds } from '../shared/token-blocks.ts';
import { expectClose, unitF32 } from '../testing/expect-close.ts';
import { onHardware } from '../testing/on-hardware.ts';
import { Random, runSeed } from '../testing/random.ts';
import { runAttendListed } from '../testing/run-attend-listed.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { type AttendBlocks, prepareAttendBlocks } from './attend-blocks.ts';
import { attendListedReference, listedBound } from './attend-listed.ref.ts';
import { type AttendListed, prepareAttendListed } from './attend-listed.ts';
import { type AttendTail, prepareAttendTail } from './attend-tail.ts';
import type { SparseShape } from './sparse-split.ts';
import { subgroupTakes } from './split-plan.ts';

type Lists = SparseShape['lists'];
interface Shape {
  readonly headDim: number;
  readonly group: number;
  readonly kvHeads: number;
}

interface Problem extends Shape {
  readonly attend: AttendListed;
  readonly tail: AttendTail;
  readonly blocks: AttendBlocks;
  readonly lists: Lists;
  readonly position: number;
  readonly budget: TokenBudget;
}

const shapes: readonly Shape[] = [
  { headDim: 64, group: 3, kvHeads: 2 },
  { headDim: 128, group: 4, kvHeads: 1 },
  { headDim: 48, group: 7, kvHeads: 1 },
  { headDim: 32, group: 1, kvHeads: 3 },
  { headDim: 256, group: 2, kvHeads: 1 },
];
const share = (parts: number) => ({ count: 0, share: parts });
const atMost = (count: number) => ({ count, share: 0 });

/** Contexts and budgets where something can go wrong, a few drawn anew each run. */
function situations(random: Random): readonly Pick<Problem, 'position' | 'budget'>[] {
  const edges = { sink: 5, window: 9, ...share(4096) };
  return [
    { position: 0, budget: { sink: 4, window: 8, ...atMost(3) } },
    {
      position: random.integer(2, 40),
      budget: { sink: 100, window: random.integer(1, 60), ...atMost(9) },
    },
    { position: random.integer(2, 40), budget: { sink: 0, window: 1, ...atMost(0) } },
    { position: random.integer(60, 300), budget: { sink: 3, window: 7, ...atMost(1_000_000) } },
    { position: random.integer(60, 300), budget: { sink: 16, window: 16, ...atMost(1) } },
    // the last token of a block, the first of the next, and a sink or a window that leaves a block no candidates
    { position: blockTokens - 1, budget: edges },
    { position: blockTokens, budget: edges },
    { position: blockTokens + 1, budget: { sink: blockTokens + 1, window: 1, ...atMost(0) } },
    {
      position: 2 * blockTokens + random.integer(0, 40),
      budget: { sink: 2, window: blockTokens + random.integer(41, 90), ...atMost(random.integer(0, 30)) },
    },
    {
      position: random.integer(blockTokens + 1, 2 * blockTokens + 300),
      budget: {
        sink: random.integer(0, 130),
        window: random.integer(1, 130),
        ...share(random.integer(1, 20000)),
      },
    },
  ];
}

function packHalves(values: Float32Array): Uint32Array<ArrayBuffer> {
  return Uint32Array.from(
    { length: values.length / 2 },
    (_, i) => (halfFromFloat(values[2 * i]!) | (halfFromFloat(values[2 * i + 1]!) << 16)) >>> 0,
  );
}

function unpackHalves(words: Uint32Array): Float64Array {
  return Float64Array.from({ length: words.length * 2 }, (_, i) =>
    floatFromHalf((words[i >> 1]! >>> ((i & 1) * 16)) & 0xffff),
  );
}

/** `count` different tokens of [start, end), ascending. */
function drawTokens(random: Random, start: number, end: number, count: number): number[] {
  const drawn: number[] = [];
  for (let token = start; token < end; token++) {
    if (random.next() * (end - token) < count - drawn.length) drawn.push(token);
  }
  return drawn;
}

describe(`attend listed (seed ${runSeed})`, () => {
  const gpu = withGpu();

  async function compare(problem: Problem, random: Random): Promise<void> {
    const { attend, tail, blocks, headDim, group, kvHeads, position, budget } = problem;
    const qHeads = kvHeads * group;
    const length = position + 1;
    const capacity = length + random.integer(0, 30);
    const ranges = tokenRanges(length, budget);
    const listsPerKvHead = problem.lists === 'kv-head' ? 1 : group;
    const lists = Array.from({ length: kvHeads * listsPerKvHead }, () =>
      drawTokens(random, ranges.sinkEnd, ranges.windowStart, ranges.selected),
    );
    const tokensOf = (head: number): number[] => [
      ...Array.from({ length: ranges.sinkEnd }, (_, token) => token),
      ...lists[Math.floor((head * lists.length) / qHeads)]!,
      ...Array.from({ length: length - ranges.windowStart }, (_, i) => ranges.windowStart + i),
    ];

    // K and V differ from zero on average, so that the tail is something; NaN beyond the context. A query head looks
    // mostly at one of its tokens, or at one that it must not see.
    const queries = random.normals(qHeads * headDim);
    const keys = new Float32Array(kvHeads * capacity * headDim).fill(Number.NaN);
    const values = keys.slice();
    for (let row = 0; row < kvHeads * capacity; row++) {
      for (let d = 0; d < headDim && row % capacity < length; d++) {
        keys[row * headDim + d] = random.normal() * 0.5 + (d % 3) - 1;
        values[row * headDim + d] = random.normal() + (d % 5) - 1;
      }
    }
    for (let head = 0; head < qHeads; head++) {
      const seen = tokensOf(head);
      const token = head % 3 === 0 ? random.integer(0, position) : seen[random.integer(0, seen.length - 1)]!;
      const row = (Math.floor(head / group) * capacity + token) * headDim;
      for (let d = 0; d < headDim; d++)
        keys[row + d] = (queries[head * headDim + d]! * 8) / Math.sqrt(headDim);
    }
    const packedKeys = packHalves(keys);
    const packedValues = packHalves(values);
    const halves = { keys: unpackHalves(packedKeys), values: unpackHalves(packedValues) };

    // Sums of the tokens before the current one; what its block held before it began is of no meaning.
    const sumsInput = { ...halves, kvHeads, headDim, capacity, blockTokens };
    const blockSums = Float32Array.from(blockSumsReference({ ...sumsInput, length: position }).sums);
    if (position % blockTokens === 0) {
      const blocks = blockSumsShape(1, capacity, headDim)[1]!;
      const width = 2 * headDim;
      for (let kvHead = 0; kvHead < kvHeads; kvHead++) {
        const start = (kvHead * blocks + position / blockTokens) * width;
        blockSums.fill(1e6, start, start + width);
      }
    }

    const splits = random.integer(1, 9);
    const slots = random.integer(1, 3);
    const got = await runAttendListed(gpu(), {
      attend,
      tail,
      blocks,
      qHeads,
      kvHeads,
      headDim,
      capacity,
      position,
      budget,
      lists,
      listCapacity: Math.max(1, ranges.selected) + random.integer(0, 3),
      query: queries,
      keys: packedKeys,
      values: packedValues,
      blockSums,
      splits,
      slots,
    });
    expect(got.again, 'the same inputs give the same bits').toEqual(got.out);

    const shape = { qHeads, kvHeads, headDim, capacity };
    const reference = { ...shape, ...halves, query: queries, length, tokensOf };
    const attended = tokensOf(0).length;
    const of = JSON.stringify({ ...shape, position, budget, variant: attend.variant, splits, slots });
    const outs = { none: got.out, mean: got.outWithTail, blocks: got.outWithBlocks };
    for (const kind of tailKinds) {
      const expected = attendListedReference({ ...reference, tail: tailOf(kind, ranges) });
      const bound = listedBound(expected, { headDim, attended, splits, runs: slots });
      expectClose(outs[kind], expected.out, bound, `tail ${kind}: ${of}`);
    }
    const expectedSums = blockSumsReference({ ...sumsInput, length });
    for (const sums of got.blockSums) {
      const bound = (i: number) => 2 * unitF32 * expectedSums.magnitudes[i]!;
      expectClose(sums, expectedSums.sums, bound, `block sums: ${of}`);
    }
  }

  async function compareAll(
    shape: Shape & { lists: Lists },
    variant: AttendListed['variant'],
  ): Promise<void> {
    const random = new Random(runSeed + shape.headDim + shape.group + variant.length);
    const [attend, tail, blocks] = await Promise.all([
      prepareAttendListed(gpu(), { ...shape, variant }),
      prepareAttendTail(gpu(), { ...shape, variant }),
      prepareAttendBlocks(gpu(), { ...shape, variant }),
    ]);
    for (const situation of situations(random)) {
      await compare({ ...shape, ...situation, attend, tail, blocks }, random);
    }
  }

  test.each(shapes)('serial equals the reference, a list per KV head, for %o', async (shape) => {
    await compareAll({ ...shape, lists: 'kv-head' }, 'serial');
  });

  const drawn = shapes[runSeed % shapes.length]!;
  test(`serial equals the reference, a list per query head, for ${JSON.stringify(drawn)}`, async () => {
    await compareAll({ ...drawn, lists: 'query-head' }, 'serial');
  });

  // Pipelines of these take seconds to compile on a CPU adapter: a run draws one for each.
  for (const [i, variant] of (['workgroup', 'subgroup'] as const).entries()) {
    const one = ((runSeed >> 8) + i) % 2 === 0 ? 'kv-head' : 'query-head';
    test.each(onHardware ? (['kv-head', 'query-head'] as const) : ([one] as const))(
      `${variant} equals the reference, a list per %s`,
      async (lists) => {
        const taken = shapes.filter(
          ({ headDim }) => variant === 'workgroup' || subgroupTakes(gpu(), headDim),
        );
        const drawn = taken[(runSeed + 2 * i) % taken.length]!;
        for (const shape of onHardware ? taken : [drawn]) await compareAll({ ...shape, lists }, variant);
      },
    );
  }
});
