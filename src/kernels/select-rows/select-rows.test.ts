import { describe, expect, test } from 'vitest';
import { randomScore } from '../hash-reference/random-score.ref.ts';
import {
  attendedTokens,
  selectTokens,
  type TokenBudget,
  tokenRanges,
} from '../hash-reference/token-set.ref.ts';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import { readU32 } from '../runtime/readback.ts';
import { Random, runSeed } from '../testing/random.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { maskShape, maskWords, prepareSelectRows, type RowRanking } from './select-rows.ts';

/** How many cases of each kind; contexts are log-uniform up to `longest`. */
const rounds = 12;
const longest = 3000;

interface Size {
  readonly rows: number;
  readonly lists: number;
  readonly capacity: number;
  readonly position: number;
  readonly budget: TokenBudget;
}

/** A ranking on the GPU and the number that it ranks by, smaller first. */
interface Ranked {
  readonly ranking: RowRanking;
  readonly lists: number;
  readonly numberOf: (list: number, row: number, token: number) => number;
}

function randomSize(random: Random, lists: number): Size {
  const rows = random.integer(1, 9);
  const position = Math.floor(longest ** random.next()) - 1;
  const edge = (): number => random.integer(0, [0, 3, 40, position + 9][random.integer(0, 3)]!);
  const isShare = random.integer(0, 1) === 0;
  return {
    rows,
    lists,
    position,
    capacity: Math.ceil((position + rows + random.integer(0, 70)) / 4) * 4,
    budget: {
      sink: edge(),
      window: random.integer(1, 2 + edge()),
      count: isShare ? 0 : random.integer(0, position + 2),
      share: isShare ? random.integer(0, 65536) : 0,
    },
  };
}

describe(`select-rows (seed ${runSeed})`, () => {
  const gpu = withGpu();

  async function check(
    seed: number,
    lists: (random: Random) => number,
    rank: (arena: Arena, random: Random, size: Size) => Ranked,
    given?: Size,
  ) {
    const select = await prepareSelectRows(gpu());
    for (let round = 0; round < (given ? 1 : rounds); round++) {
      const random = new Random(seed + round);
      const size = given ?? randomSize(random, lists(random));
      const { rows, capacity, position, budget } = size;
      const arena = new Arena(gpu());
      const { ranking, numberOf } = rank(arena, random, size);
      // A mask with room for more rows than the chunk has, which stay as they are.
      const room = rows + 2;
      const poison = 0xdeadbeef;
      const shape = maskShape(size.lists, room, capacity);
      const words = new Uint32Array(size.lists * room * maskWords(capacity)).fill(poison);
      const mask = arena.tensorFrom('mask', 'u32', shape, words);
      const numbers = [budget.sink, budget.window, budget.count, budget.share];
      submitDispatches(gpu(), [
        select(arena, {
          label: 'mask',
          step: { buffer: arena.uniform('step', Uint32Array.of(position, rows, 0, 0).buffer) },
          budget: { buffer: arena.uniform('budget', Uint32Array.from(numbers).buffer) },
          ranking,
          mask,
          rows: room,
          lists: size.lists,
          capacity,
        }),
      ]);
      const got = await readU32(gpu(), mask);
      for (let list = 0; list < size.lists; list++) {
        for (let row = 0; row < room; row++) {
          const begin = (list * room + row) * maskWords(capacity);
          const bits = got.subarray(begin, begin + maskWords(capacity));
          const where = `round ${round}, list ${list}, row ${row} of ${JSON.stringify(size)}`;
          if (row >= rows) {
            expect([...bits], where).toEqual(Array.from(bits, () => poison));
            continue;
          }
          const n = position + row + 1;
          const ranges = tokenRanges(n, budget);
          const distances = Array.from({ length: n }, (_, token) => numberOf(list, row, token));
          const expected = attendedTokens(n, ranges, selectTokens(distances, ranges));
          expect(tokensOf(bits), where).toEqual(expected);
        }
      }
      arena.dispose();
    }
  }

  test.each(['shared', 'own'] as const)('by distance, signatures %s', (signaturesOf) =>
    check(
      runSeed,
      (random) => random.integer(1, 3) * 2,
      (arena, random, { rows, lists, capacity }) => {
        const isOwn = signaturesOf === 'own';
        const planes = random.integer(1, 4);
        const words = random.integer(1, 2);
        const listsPerHead = isOwn ? 1 : random.integer(1, 2);
        const weights = random.integer(0, 1) === 0 ? 'equal' : 'doubling';
        const heads = (lists * (isOwn ? planes : 1)) / listsPerHead;
        // Few different words give many ties.
        const few = random.words(random.integer(1, 40));
        const draw = (count: number) =>
          Uint32Array.from({ length: count }, () => few[random.integer(0, few.length - 1)]!);
        const queryPlanes = draw((rows + 2) * lists * planes * words);
        const signatures = draw(heads * capacity * words);
        const numberOf = (list: number, row: number, token: number): number => {
          let distance = 0;
          for (let plane = 0; plane < planes; plane++) {
            const head = isOwn ? list * planes + plane : Math.floor(list / listsPerHead);
            for (let word = 0; word < words; word++) {
              const wanted = queryPlanes[((row * lists + list) * planes + plane) * words + word]!;
              const differing = bitsIn(wanted ^ signatures[(head * capacity + token) * words + word]!);
              distance += differing * (weights === 'doubling' ? 2 ** plane : 1);
            }
          }
          return distance;
        };
        const ranking: RowRanking = {
          kind: 'distance',
          queryPlanes: arena.tensorFrom('planes', 'u32', [queryPlanes.length], queryPlanes),
          signatures: arena.tensorFrom('signatures', 'u32', [signatures.length], signatures),
          ...{ planes, words, weights, signaturesOf, listsPerHead },
        };
        return { ranking, lists, numberOf };
      },
    ),
  );

  test('by attention mass, zeros, equal and tiny ones among them', () =>
    check(
      runSeed + 1000,
      (random) => random.integer(1, 3),
      (arena, random, { rows, lists, capacity }) => {
        const kind = random.integer(0, 2);
        const room = rows + 2;
        const mass = Float32Array.from({ length: lists * room * capacity }, () => {
          if (kind === 0) return random.next();
          if (kind === 1) return random.integer(0, 3) / 8;
          return Math.exp(-30 * random.next());
        });
        return {
          ranking: { kind: 'mass', mass: arena.tensorFrom('mass', 'f32', [lists, room, capacity], mass) },
          lists,
          numberOf: (list, row, token) => -mass[(list * room + row) * capacity + token]!,
        };
      },
    ));

  const byChance = (_: Arena, random: Random, { lists, position }: Size): Ranked => {
    const seed = random.words(1)[0]!;
    return {
      ranking: { kind: 'random', seed },
      lists,
      numberOf: (list, row, token) => -randomScore((seed + list) >>> 0, position + row, token),
    };
  };

  test('by chance', () => check(runSeed + 2000, (random) => random.integer(1, 4), byChance));

  // Bits are put together for 65536 tokens at a time.
  test('a mask longer than workgroup memory', () => {
    const budget = { sink: 4, window: 7, count: 0, share: 30_000 };
    const size = { rows: 2, lists: 1, capacity: 65_700, position: 65_630, budget };
    return check(runSeed + 3000, () => 1, byChance, size);
  });
});

function tokensOf(mask: Uint32Array): number[] {
  return Array.from({ length: mask.length * 32 }, (_, token) => token).filter(
    (token) => (mask[token >> 5]! >>> (token & 31)) & 1,
  );
}

function bitsIn(word: number): number {
  let count = 0;
  for (let rest = word; rest !== 0; rest &= rest - 1) count++;
  return count;
}
