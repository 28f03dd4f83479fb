/** Holds what a HashAttention step gave against the reference, each stage on what the stage before gave, so that a bit
 *  turned by rounding is not counted twice. */
import { attendListedReference, listedBound } from '../attend/attend-listed.ref.ts';
import { boundedMap, boundedSum, certainLevels } from '../hash-query/hash-query.ref.ts';
import { signatureOf } from '../hash-reference/signature-map.ref.ts';
import { queryPlanes, tokenDistances } from '../hash-reference/step.ref.ts';
import { tailOf } from '../hash-reference/tail.ref.ts';
import { attendedTokens, selectTokens } from '../hash-reference/token-set.ref.ts';
import { expectClose } from './expect-close.ts';
import { describeCase, type HashStepCase } from './hash-step-case.ts';
import type { Random } from './random.ts';
import { type HashStepResult, unlisted } from './run-hash-step.ts';

/** @param random which heads and tokens are looked at where looking at all would take long
 *  @param about what else a failure is to be reported with
 *  @throws Error that says what differs, where, and in which case. */
export function expectHashStep(one: HashStepCase, got: HashStepResult, random: Random, about: string): void {
  const where = `${about}: ${describeCase(one)}`;
  expectMap(one, got, random, where);
  expectSignatures(one, got, random, where);
  const lists = expectLists(one, got, where);
  expectAttended(one, got, lists, where);
}

/** The map of one query head, within rounding. */
function expectMap(one: HashStepCase, { maps, mapped }: HashStepResult, random: Random, where: string): void {
  const { kvHeads, group, headDim, bits, query } = one;
  const head = random.integer(0, kvHeads * group - 1);
  const row = query.subarray(head * headDim, (head + 1) * headDim);
  const { values, bounds } = boundedMap(maps.query.stages, head, row);
  const got = mapped.subarray(head * bits, (head + 1) * bits);
  expectClose(got, values, (i) => bounds[i]!, `map of query head ${head}, ${where}`);
}

/** Signatures of the newest key, and of one before where they were made, in the bits that rounding cannot turn; those that
 *  were given are still there. */
function expectSignatures(
  one: HashStepCase,
  { maps, signatures: got }: HashStepResult,
  random: Random,
  where: string,
): void {
  const { kvHeads, headDim, bits, n, capacity, keys, signatures } = one;
  const words = bits / 32;
  const { heads } = maps.key.map;
  const tokens = signatures ? [n - 1] : [n - 1, random.integer(0, n - 1)];
  for (const token of tokens) {
    const head = random.integer(0, heads - 1);
    const row = (Math.floor((head * kvHeads) / heads) * capacity + token) * headDim;
    const { values, bounds } = boundedMap(maps.key.stages, head, keys.values.subarray(row, row + headDim));
    const certain = signatureOf(values.map((value, i) => (Math.abs(value) > bounds[i]! ? 1 : 0)));
    signatureOf(values).forEach((word, w) => {
      const difference = (got[(head * capacity + token) * words + w]! ^ word) & certain[w]!;
      if (difference !== 0) {
        throw new Error(`signature of key head ${head}, token ${token} differs in ${difference}, ${where}`);
      }
    });
  }
  signatures?.forEach((word, i) => {
    const token = Math.floor(i / words) % capacity;
    if (token !== n - 1 && got[i] !== word) throw new Error(`signature of token ${token} changed, ${where}`);
  });
}

/** Distances exactly, where no level is within rounding of the next; then lists exactly. Returns the lists. */
function expectLists(one: HashStepCase, got: HashStepResult, where: string): number[][] {
  const { kvHeads, group, bits, n, capacity, ranges, scoring } = one;
  const qHeads = kvHeads * group;
  const words = bits / 32;
  const { heads } = got.maps.key.map;
  const rows = Array.from({ length: qHeads }, (_, head) =>
    Float64Array.from(got.mapped.subarray(head * bits, (head + 1) * bits)),
  );
  const signatures = Array.from({ length: heads }, (_, head) =>
    Array.from({ length: n }, (_, token) => {
      const at = (head * capacity + token) * words;
      return got.signatures.subarray(at, at + words);
    }),
  );
  const expectedDistances = tokenDistances(
    { ...one, qHeads },
    queryPlanes({ ...one, qHeads }, rows),
    signatures,
  );
  const headsPerList = scoring.lists === 'kv-head' ? group : 1;
  return expectedDistances.map((expected, index) => {
    const first = index * Math.ceil(capacity / 32) * 32;
    const distances = got.distances.subarray(first, first + n);
    const ofList = rows.slice(index * headsPerList, (index + 1) * headsPerList);
    const sum = boundedSum(ofList.map((values) => ({ values, bounds: new Float64Array(bits) })));
    const isCertain = scoring.score === 'hamming' || certainLevels(sum, scoring.queryBits).every(Boolean);
    if (isCertain && ranges.selected > 0) {
      for (let token = ranges.sinkEnd; token < ranges.windowStart; token++) {
        if (distances[token] === expected[token]) continue;
        throw new Error(
          `distance of token ${token} in list ${index}: expected ${expected[token]}, got ${distances[token]}, ${where}`,
        );
      }
    }
    const list = selectTokens(distances, ranges);
    const row = got.list.subarray(index * (n + 1), (index + 1) * (n + 1));
    const wrong = row.findIndex((token, i) => token !== (list[i] ?? unlisted));
    if (wrong >= 0) {
      throw new Error(
        `list ${index}, entry ${wrong} of ${list.length}: expected ${list[wrong]}, got ${row[wrong]}, ${where}`,
      );
    }
    return list;
  });
}

/** Attended values without and with the tail. */
function expectAttended(
  one: HashStepCase,
  { out, outWithTail }: HashStepResult,
  lists: readonly (readonly number[])[],
  where: string,
): void {
  const { kvHeads, group, headDim, n, capacity, ranges, query, keys, values, splits, slots } = one;
  const qHeads = kvHeads * group;
  const sets = lists.map((list) => attendedTokens(n, ranges, list));
  const attended = ranges.sinkEnd + ranges.selected + n - ranges.windowStart;
  for (const [tail, got] of [
    ['none', out],
    [one.tail, outWithTail],
  ] as const) {
    const expected = attendListedReference({
      ...{ query, keys: keys.values, values: values.values, qHeads, kvHeads, headDim, capacity },
      tail: tailOf(tail, ranges),
      length: n,
      tokensOf: (head) => sets[Math.floor((head * lists.length) / qHeads)]!,
    });
    const bound = listedBound(expected, { headDim, attended, splits, runs: slots });
    expectClose(got, expected.out, bound, `attended values, tail ${tail}, ${where}`);
  }
}
