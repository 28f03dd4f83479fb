/** What computing a signature map in f32 may change, and what that leaves open about a token's distance. */
import type { MapStage } from '../../src/kernels/hash-reference/signature-map.ref.ts';
import type { HashScoring } from '../../src/kernels/hash-reference/step.ref.ts';
import type { TokenRanges } from '../../src/kernels/hash-reference/token-set.ref.ts';
import { dotBound, unitF32 } from '../../src/kernels/testing/expect-close.ts';

/** Values of a map in double precision, each with what f32 may be away from it. */
export interface BoundedValues {
  readonly values: Float64Array;
  readonly bounds: Float64Array;
}

/** The bound follows the magnitudes that each stage adds up. SiLU's slope is at most 1.1; WGSL's exp(−y) is within
 *  3 + 2|y| units in the last place. */
export function mapWithBound(stages: readonly MapStage[], head: number, x: ArrayLike<number>): BoundedValues {
  let bounds = new Float64Array(x.length);
  let values = Float64Array.from(x);
  stages.forEach((stage, index) => {
    const { inputs, outputs, weight, bias } = stage;
    const isFirst = index === 0;
    const input = isFirst ? values : values.map((y) => y / (1 + Math.exp(-y)));
    const inputBounds = isFirst
      ? bounds
      : bounds.map(
          (bound, i) => 1.1 * bound + (10 + 4 * Math.abs(values[i]!)) * unitF32 * Math.abs(input[i]!),
        );
    const next = new Float64Array(outputs);
    const nextBounds = new Float64Array(outputs);
    for (let row = 0; row < outputs; row++) {
      let sum = bias[head * outputs + row]!;
      let magnitude = Math.abs(sum);
      let inherited = 0;
      for (let column = 0; column < inputs; column++) {
        const w = weight[(head * outputs + row) * inputs + column]!;
        sum += w * input[column]!;
        magnitude += Math.abs(w * input[column]!);
        inherited += Math.abs(w) * inputBounds[column]!;
      }
      next[row] = sum;
      nextBounds[row] = dotBound(inputs + 1, magnitude) + inherited;
    }
    values = next;
    bounds = nextBounds;
  });
  return { values, bounds };
}

/** Least and most that something may be. */
interface Span {
  readonly least: number;
  readonly most: number;
}

/** By bit of the key: what a key without it, and one with it, adds to the distance. */
export type BitCosts = readonly { readonly clear: Span; readonly set: Span }[];

/** Of one list, from the map values of its query heads. */
export function bitCosts(scoring: HashScoring, heads: readonly BoundedValues[]): BitCosts {
  return scoring.score === 'hamming' ? hammingCosts(heads) : asymmetricCosts(heads, scoring.queryBits);
}

function hammingCosts(heads: readonly BoundedValues[]): BitCosts {
  return Array.from(heads[0]!.values, (_, bit) => {
    // heads whose sign is certain, by sign, and those that may have either
    let positive = 0;
    let negative = 0;
    for (const { values, bounds } of heads) {
      if (values[bit]! > bounds[bit]!) positive++;
      else if (values[bit]! < -bounds[bit]!) negative++;
    }
    const open = heads.length - positive - negative;
    return {
      clear: { least: positive, most: positive + open },
      set: { least: negative, most: negative + open },
    };
  });
}

function asymmetricCosts(heads: readonly BoundedValues[], queryBits: number): BitCosts {
  const total = (of: (head: BoundedValues, bit: number) => number) =>
    Array.from(heads[0]!.values, (_, bit) => heads.reduce((sum, head) => sum + of(head, bit), 0));
  const sums = total(({ values }, bit) => values[bit]!);
  const magnitudes = total(({ values }, bit) => Math.abs(values[bit]!));
  const bounds = total((head, bit) => head.bounds[bit]! + dotBound(heads.length, magnitudes[bit]!));
  const most = 2 ** queryBits - 1;
  const scale = Math.max(...sums.map(Math.abs)) / (2 ** (queryBits - 1) - 0.5);
  const relative = Math.max(...bounds) / Math.max(...sums.map(Math.abs)) + 4 * unitF32;
  const levelOf = (steps: number) => Math.min(Math.max(Math.floor(steps) + (most + 1) / 2, 0), most);
  return sums.map((sum, bit) => {
    const slack = bounds[bit]! / scale + Math.abs(sum / scale) * relative;
    const [least, highest] = [levelOf(sum / scale - slack), levelOf(sum / scale + slack)];
    return { clear: { least, most: highest }, set: { least: most - highest, most: most - least } };
  });
}

/** The distances that f32 leaves open between a query and a key. */
export function distanceSpan(costs: BitCosts, key: BoundedValues): Span {
  let least = 0;
  let most = 0;
  costs.forEach(({ clear, set }, bit) => {
    const value = key.values[bit]!;
    const canBeSet = value > -key.bounds[bit]!;
    const canBeClear = value <= key.bounds[bit]!;
    least += Math.min(canBeSet ? set.least : Infinity, canBeClear ? clear.least : Infinity);
    most += Math.max(canBeSet ? set.most : 0, canBeClear ? clear.most : 0);
  });
  return { least, most };
}

/** Which candidates every right list holds, and which a right list may hold, whatever f32 made of what is open. */
export function decidedTokens(
  spans: readonly Span[],
  { sinkEnd, windowStart, selected }: TokenRanges,
): { readonly certain: ReadonlySet<number>; readonly possible: ReadonlySet<number> } {
  const candidates = Array.from({ length: windowStart - sinkEnd }, (_, i) => sinkEnd + i);
  // smaller distances first, the most recent first among equals
  const rank = (distance: number, token: number) => distance * 2 ** 24 + (2 ** 24 - 1 - token);
  const sorted = (of: (span: Span) => number) =>
    Float64Array.from(candidates, (token) => rank(of(spans[token]!), token)).sort();
  const [best, worst] = [sorted(({ least }) => least), sorted(({ most }) => most)];
  const before = (ranks: Float64Array, limit: number) => {
    let [low, high] = [0, ranks.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ranks[middle]! < limit) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const certain = candidates.filter((token) => {
    const own = spans[token]!;
    // its own best rank is before its worst where they differ, and is no rival
    const rivals = before(best, rank(own.most, token)) - (own.least < own.most ? 1 : 0);
    return rivals < selected;
  });
  const possible = candidates.filter((token) => before(worst, rank(spans[token]!.least, token)) < selected);
  return { certain: new Set(certain), possible: new Set(possible) };
}
