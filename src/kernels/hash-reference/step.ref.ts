/** HashAttention of one layer for one token, stage by stage in plain loops: the specification of its kernels.
 *  @see Desai et al. 2024, arXiv:2412.14468 */
import type { TailKind } from '../shared/token-blocks.ts';
import { attendTokens } from './attend-tokens.ref.ts';
import {
  asymmetricPlanes,
  distanceOf,
  hammingPlanes,
  type QueryPlanes,
  quantiseQuery,
} from './query-planes.ref.ts';
import { applyMap, type MapStage, signatureOf } from './signature-map.ref.ts';
import { type Tail, tailOf } from './tail.ref.ts';
import { attendedTokens, selectTokens, type TokenBudget, tokenRanges } from './token-set.ref.ts';

/** How tokens are ranked. */
export interface HashScoring {
  /** 'asymmetric': real query, quantised to queryBits, against one-bit keys; 'hamming': one bit against one bit. */
  readonly score: 'asymmetric' | 'hamming';
  /** 1 to 4; of no meaning to 'hamming'. */
  readonly queryBits: number;
  /** Which heads have a key map, hence signatures, of their own. */
  readonly sharing: 'kv-head' | 'query-head';
  /** Which heads have a list of their own. Not 'kv-head' for asymmetric scores of signatures per query head. */
  readonly lists: 'kv-head' | 'query-head';
}

export interface HashStepInput {
  readonly scoring: HashScoring;
  readonly qHeads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Heads: qHeads. */
  readonly queryMap: readonly MapStage[];
  /** Heads: those of `scoring.sharing`. */
  readonly keyMap: readonly MapStage[];
  /** After RoPE, [qHeads, headDim]. */
  readonly query: ArrayLike<number>;
  /** Values of the cached halves, the current token's last: [kvHeads, n, headDim]. */
  readonly keys: ArrayLike<number>;
  readonly values: ArrayLike<number>;
  readonly budget: TokenBudget;
  readonly tail: TailKind;
}

export interface HashStepOutput {
  /** F_q of each query head, [qHeads][bits]. */
  readonly mapped: readonly Float64Array[];
  /** By list. */
  readonly planes: readonly QueryPlanes[];
  /** [signature heads][n], each u32 [bits / 32]. */
  readonly signatures: readonly (readonly Uint32Array[])[];
  /** [lists][n] */
  readonly distances: readonly Int32Array[];
  /** Ascending token indices, by list. */
  readonly lists: readonly (readonly number[])[];
  /** [qHeads, headDim] */
  readonly attended: Float64Array;
}

export type HashShape = Pick<HashStepInput, 'scoring' | 'qHeads' | 'kvHeads' | 'headDim'>;

export function hashStep(input: HashStepInput): HashStepOutput {
  const { qHeads, kvHeads, headDim, query, keys, budget } = input;
  const n = keys.length / (kvHeads * headDim);
  const mapped = range(qHeads).map((head) =>
    applyMap(input.queryMap, head, slice(query, head * headDim, headDim)),
  );
  const planes = queryPlanes(input, mapped);
  const signatures = keySignatures(input, input.keyMap, keys);
  const distances = tokenDistances(input, planes, signatures);
  const ranges = tokenRanges(n, budget);
  const lists = distances.map((ofList) => selectTokens(ofList, ranges));
  const attended = attendSets(
    input,
    { ...input, tail: tailOf(input.tail, ranges) },
    lists.map((list) => attendedTokens(n, ranges, list)),
  );
  return { mapped, planes, signatures, distances, lists, attended };
}

/** The planes of each list, from F_q of each query head: asymmetric, of the sum over the list's heads. */
export function queryPlanes(
  { scoring, qHeads, kvHeads }: HashShape,
  mapped: readonly ArrayLike<number>[],
): QueryPlanes[] {
  const headsPerList = scoring.lists === 'kv-head' ? qHeads / kvHeads : 1;
  return range(qHeads / headsPerList).map((list) => {
    const group = mapped.slice(list * headsPerList, (list + 1) * headsPerList);
    if (scoring.score === 'hamming') return hammingPlanes(group);
    const sum = Array.from(group[0]!, (_, i) => group.reduce((total, values) => total + values[i]!, 0));
    return asymmetricPlanes(quantiseQuery(sum, scoring.queryBits), scoring.queryBits);
  });
}

/** The signature of each cached key under each key map. */
function keySignatures(
  shape: HashShape,
  keyMap: readonly MapStage[],
  keys: ArrayLike<number>,
): Uint32Array[][] {
  const { scoring, qHeads, kvHeads, headDim } = shape;
  const heads = scoring.sharing === 'kv-head' ? kvHeads : qHeads;
  const n = keys.length / (kvHeads * headDim);
  return range(heads).map((head) => {
    const kvHead = Math.floor((head * kvHeads) / heads);
    return range(n).map((token) =>
      signatureOf(applyMap(keyMap, head, slice(keys, (kvHead * n + token) * headDim, headDim))),
    );
  });
}

/** Which signatures plane p of a list is compared with. */
function signatureHead({ scoring, qHeads, kvHeads }: HashShape, list: number, plane: number): number {
  const group = qHeads / kvHeads;
  if (scoring.sharing === 'kv-head') return scoring.lists === 'kv-head' ? list : Math.floor(list / group);
  return scoring.lists === 'kv-head' ? list * group + plane : list;
}

/** The distance of every token to each list's planes. */
export function tokenDistances(
  shape: HashShape,
  planes: readonly QueryPlanes[],
  signatures: readonly (readonly Uint32Array[])[],
): Int32Array[] {
  return planes.map((ofList, list) =>
    Int32Array.from(signatures[0]!, (_, token) =>
      distanceOf(ofList, (plane) => signatures[signatureHead(shape, list, plane)]![token]!),
    ),
  );
}

/** Attention of each query head over its list's tokens, [qHeads, headDim]. */
export function attendSets(
  { scoring, qHeads, kvHeads, headDim }: HashShape,
  { query, keys, values, tail }: Pick<HashStepInput, 'query' | 'keys' | 'values'> & { readonly tail: Tail },
  sets: readonly (readonly number[])[],
): Float64Array {
  const group = qHeads / kvHeads;
  const perKvHead = keys.length / kvHeads;
  const [allQueries, allKeys, allValues] = [query, keys, values].map((each) => new Float64Array(each));
  const out = new Float64Array(qHeads * headDim);
  for (let head = 0; head < qHeads; head++) {
    const kvHead = Math.floor(head / group);
    const ofKvHead = (all: Float64Array) => all.subarray(kvHead * perKvHead, (kvHead + 1) * perKvHead);
    const attended = attendTokens({
      query: allQueries!.subarray(head * headDim, (head + 1) * headDim),
      keys: ofKvHead(allKeys!),
      values: ofKvHead(allValues!),
      tokens: sets[scoring.lists === 'kv-head' ? kvHead : head]!,
      tail,
    });
    out.set(attended, head * headDim);
  }
  return out;
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

function slice(values: ArrayLike<number>, begin: number, count: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => values[begin + i]!);
}
