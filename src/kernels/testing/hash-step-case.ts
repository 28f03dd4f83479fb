/** Random HashAttention steps: shapes that pipelines are made for, and cases of any size for each. */
import type { HashScoring } from '../hash-reference/step.ref.ts';
import { type TokenBudget, type TokenRanges, tokenRanges } from '../hash-reference/token-set.ref.ts';
import type { TailKind } from '../shared/token-blocks.ts';
import type { Random } from './random.ts';
import type { RowPool, RowPoolRows } from './row-pool.ts';

/** What kernels are compiled for. */
export interface HashStepShape {
  readonly group: number;
  readonly headDim: number;
  readonly bits: 32 | 64;
  readonly scoring: HashScoring;
  /** Tried beside none. */
  readonly tail: Exclude<TailKind, 'none'>;
}

/** Every way of scoring and sharing that there is. */
export const hashScorings: readonly HashScoring[] = [
  { score: 'asymmetric', queryBits: 4, sharing: 'kv-head', lists: 'kv-head' },
  { score: 'hamming', queryBits: 1, sharing: 'query-head', lists: 'kv-head' },
  { score: 'hamming', queryBits: 1, sharing: 'kv-head', lists: 'kv-head' },
  { score: 'hamming', queryBits: 1, sharing: 'query-head', lists: 'query-head' },
  { score: 'asymmetric', queryBits: 3, sharing: 'kv-head', lists: 'query-head' },
];

export function randomHashStepShape(
  random: Random,
  scoring: HashScoring,
  headDims: readonly number[],
): HashStepShape {
  return {
    group: random.integer(1, 8),
    headDim: headDims[random.integer(0, headDims.length - 1)]!,
    bits: random.integer(0, 3) === 0 ? 64 : 32,
    scoring,
    tail: random.integer(0, 2) === 0 ? 'mean' : 'blocks',
  };
}

export interface HashStepCase extends HashStepShape {
  readonly kvHeads: number;
  /** Tokens in the context, the current one included. */
  readonly n: number;
  readonly capacity: number;
  readonly budget: TokenBudget;
  readonly ranges: TokenRanges;
  readonly chunks: number;
  readonly splits: number;
  readonly slots: number;
  /** [qHeads, headDim] */
  readonly query: Float32Array<ArrayBuffer>;
  /** [kvHeads, capacity, headDim], NaN beyond the context. */
  readonly keys: RowPoolRows;
  readonly values: RowPoolRows;
  /** u32 [heads, capacity, words] of the tokens before the current one; null: as the key map gives them. */
  readonly signatures: Uint32Array<ArrayBuffer> | null;
}

export interface CaseSizes {
  readonly mostKvHeads: number;
  readonly n: number;
}

const shareUnit = 65536;

/** From `least` to `most`, short ones as likely as long ones. */
export function randomLength(random: Random, least: number, most: number): number {
  return Math.floor(least * ((most + 1) / least) ** random.next());
}

/** Edges, counts and shares from nothing to more than there is; chunks, splits and runs of blocks of any number. */
export function randomHashStepCase(
  random: Random,
  pool: RowPool,
  shape: HashStepShape,
  { mostKvHeads, n }: CaseSizes,
): HashStepCase {
  const { group, headDim, scoring, bits } = shape;
  const kvHeads = random.integer(1, mostKvHeads);
  const capacity = Math.ceil(n / 4) * 4 + 4 * random.integer(0, 9);
  const signatureHeads = scoring.sharing === 'kv-head' ? kvHeads : kvHeads * group;
  const budget = randomBudget(random, n);
  const rows = () => pool.cache(random, { heads: kvHeads, capacity, width: headDim, rows: n });
  return {
    ...{ ...shape, kvHeads, n, capacity, budget },
    ranges: tokenRanges(n, budget),
    chunks: 4 * random.integer(1, random.integer(0, 2) === 0 ? 8 : 3),
    splits: random.integer(1, 9),
    slots: random.integer(1, 3),
    query: random.normals(kvHeads * group * headDim),
    keys: rows(),
    values: rows(),
    signatures:
      random.integer(0, 3) === 0 ? null : randomSignatures(random, signatureHeads * capacity, bits / 32),
  };
}

function randomBudget(random: Random, n: number): TokenBudget {
  const edge = (): number => random.integer(0, [0, 5, 40, Math.ceil(n / 3), n + 9][random.integer(0, 4)]!);
  const isCount = random.integer(0, 1) === 0;
  return {
    sink: edge(),
    window: 1 + edge(),
    count: isCount ? edge() : 0,
    share: isCount ? 0 : random.integer(0, random.integer(0, 2) === 0 ? shareUnit : 9000),
  };
}

/** From all different to all the same, so that ties are anything from none to all. */
function randomSignatures(random: Random, count: number, words: number): Uint32Array<ArrayBuffer> {
  const few = random.words(random.integer(1, 9) * words);
  const kind = random.integer(0, 2);
  if (kind === 0) return random.words(count * words);
  const signatures = new Uint32Array(count * words);
  for (let i = 0; i < count; i++) {
    const first = random.integer(0, few.length / words - 1) * words;
    for (let word = 0; word < words; word++) signatures[i * words + word] = few[first + word]!;
    if (kind === 2) signatures[i * words] = signatures[i * words]! ^ (1 << random.integer(0, 31));
  }
  return signatures;
}

/** What a failure is reported with. */
export function describeCase(one: HashStepCase): string {
  const { keys: _, values: __, query: ___, signatures, ...rest } = one;
  return JSON.stringify({ ...rest, isHashed: signatures === null });
}
