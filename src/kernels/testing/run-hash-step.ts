/** Runs whole HashAttention steps, many in one submission, and reads back what every stage gave. */
import { prepareAttendSelected } from '../attend/attend-selected.ts';
import { blockSumsReference } from '../block-sums/block-sums.ref.ts';
import { prepareHashKeys } from '../hash-keys/hash-keys.ts';
import { prepareHashQuery } from '../hash-query/hash-query.ts';
import { Arena } from '../runtime/arena.ts';
import { type Dispatch, submitDispatches } from '../runtime/dispatch.ts';
import type { Gpu, KernelVariant } from '../runtime/gpu.ts';
import type { Tensor } from '../runtime/tensor.ts';
import { prepareSelectTokens } from '../select-tokens/select-tokens.ts';
import { blockSumsShape, blockTokens } from '../shared/token-blocks.ts';
import { countedWords } from '../shared/token-chunks.ts';
import type { HashStepCase, HashStepShape } from './hash-step-case.ts';
import type { Random } from './random.ts';
import { type RandomSignatureMap, randomSignatureMap } from './random-signature-map.ts';
import { readTogether } from './read-together.ts';

export interface HashStepMaps {
  readonly query: RandomSignatureMap;
  readonly key: RandomSignatureMap;
}

export interface HashStepResult {
  readonly maps: HashStepMaps;
  /** [qHeads, bits] */
  readonly mapped: Float32Array;
  /** [heads, capacity, words] */
  readonly signatures: Uint32Array;
  /** [lists, capacity rounded up to 32], of which candidates have one. */
  readonly distances: Uint16Array;
  /** [lists, n + 1], `unlisted` where nothing was written. */
  readonly list: Uint32Array;
  /** [qHeads, headDim] */
  readonly out: Float32Array;
  readonly outWithTail: Float32Array;
}

export const unlisted = 0xffffffff;

export interface HashStepRunner {
  readonly variant: KernelVariant;
  run(cases: readonly HashStepCase[]): Promise<HashStepResult[]>;
  dispose(): void;
}

/** Kernels of a shape, and random maps for each number of KV heads. */
export async function prepareHashStep(
  gpu: Gpu,
  random: Random,
  shape: HashStepShape,
  variant: KernelVariant,
  mostKvHeads: number,
): Promise<HashStepRunner> {
  const { group, headDim, bits, scoring } = shape;
  const { score, queryBits, sharing, lists } = scoring;
  const mapVariant = variant === 'serial' ? 'serial' : 'workgroup';
  const width = Math.max(64, headDim);
  const [hashKeys, select, ...hashQueries] = await Promise.all([
    prepareHashKeys(gpu, { width, variant: 'serial' }),
    prepareSelectTokens(gpu, {
      score: score === 'asymmetric' ? { kind: score, queryBits } : { kind: score },
      summed: lists === 'kv-head' ? group : 1,
      words: bits === 64 ? 2 : 1,
      signatures: lists === 'kv-head' && sharing === 'query-head' ? 'own' : 'shared',
      variant,
    }),
    ...Array.from({ length: mostKvHeads }, (_, i) =>
      prepareHashQuery(gpu, { qHeads: (i + 1) * group, width, variant: mapVariant }),
    ),
  ]);
  const attendShape = { headDim, group, lists, variant, bins: select.bins };
  const [plain, tail] = await Promise.all([
    prepareAttendSelected(gpu, { ...attendShape, tail: 'none' }),
    prepareAttendSelected(gpu, { ...attendShape, tail: shape.tail }),
  ]);
  const mapArena = new Arena(gpu);
  const maps = Array.from({ length: mostKvHeads }, (_, i): HashStepMaps => {
    const qHeads = (i + 1) * group;
    const keyHeads = sharing === 'kv-head' ? i + 1 : qHeads;
    return {
      query: randomSignatureMap(mapArena, random, qHeads, [headDim, 24, bits]),
      key: randomSignatureMap(mapArena, random, keyHeads, [headDim, bits]),
    };
  });

  function prepareCase(
    arena: Arena,
    one: HashStepCase,
  ): { readonly dispatches: Dispatch[]; readonly outputs: readonly Tensor[] } {
    const { kvHeads, n, capacity, budget, chunks, splits, slots, ranges } = one;
    const qHeads = kvHeads * group;
    const words = bits / 32;
    const listCount = lists === 'kv-head' ? kvHeads : qHeads;
    const heads = sharing === 'kv-head' ? kvHeads : qHeads;
    const uniform = (label: string, ...numbers: number[]) => ({
      buffer: arena.uniform(label, Uint32Array.from(numbers).buffer),
    });
    const cacheShape = [kvHeads, capacity, headDim];
    const upload = (label: string, { halves }: { readonly halves: Uint16Array<ArrayBuffer> }): Tensor =>
      arena.tensorFrom(label, 'f16-packed', cacheShape, new Uint32Array(halves.buffer));
    const [keyCache, valueCache] = [upload('keys', one.keys), upload('values', one.values)];
    const query = arena.tensorFrom('query', 'f32', [qHeads, headDim], one.query);
    const shapeOfCounted = { chunks, bins: select.bins };
    const counted = {
      ...shapeOfCounted,
      buffer: arena.tensor('counted', 'u32', [countedWords(listCount, capacity, shapeOfCounted)]),
    };
    const signatureShape = [heads, capacity, words];
    const signatures = one.signatures
      ? arena.tensorFrom('signatures', 'u32', signatureShape, one.signatures)
      : arena.tensor('signatures', 'u32', signatureShape);
    const mapped = arena.tensor('mapped', 'f32', [qHeads, bits]);
    const out = arena.tensor('out', 'f32', [qHeads, headDim]);
    const outWithTail = arena.tensor('out with tail', 'f32', [qHeads, headDim]);
    const listCapacity = n + 1;
    const blank = new Uint32Array(listCount * listCapacity).fill(unlisted);
    const list = arena.tensorFrom('list', 'u32', [listCount, listCapacity], blank);
    const { sums } = blockSumsReference({
      ...{ kvHeads, headDim, capacity, blockTokens, length: n - 1 },
      ...{ keys: one.keys.values, values: one.values.values },
    });
    const blockSums = arena.tensorFrom(
      'block sums',
      'f32',
      blockSumsShape(kvHeads, capacity, headDim),
      Float32Array.from(sums),
    );
    const step = uniform('step', n - 1, 1, 0, 0);
    const { sink, window, count, share } = budget;
    const budgetSlice = uniform('budget', sink, window, count, share);
    const ofCache = { keyCache, kvHeads, headDim, capacity };
    const selection = { step, budget: budgetSlice, lists: listCount, capacity, counted };
    const tokens = ranges.sinkEnd + ranges.selected + n - ranges.windowStart;
    const attending = (attend: typeof plain, result: Tensor) =>
      attend.attend(arena, {
        ...{ ...ofCache, label: 'attended', step, budget: budgetSlice, query, valueCache, counted },
        ...{ blockSums, out: result },
        scratch: attend.scratch(arena, { kvHeads, capacity, tokens, splits, slots }),
      });
    const { query: queryMap, key: keyMap } = maps[kvHeads - 1]!;
    const hashing =
      one.signatures || n === 1
        ? []
        : [
            hashKeys(arena, {
              ...{ ...ofCache, label: 'keys', step: uniform('rows', 0, n - 1, 0, 0), rows: n - 1 },
              ...{ signatures, keyMap: keyMap.map },
            }),
          ];
    const dispatches = [
      ...hashing,
      hashQueries[kvHeads - 1]!(arena, {
        ...{ ...ofCache, label: 'mapped', step, query, mapped, signatures },
        ...{ queryMap: queryMap.map, keyMap: keyMap.map },
      }),
      select.count(arena, {
        ...{ ...selection, label: 'count', mapped, signatures },
        listsPerHead: sharing === 'kv-head' ? listCount / kvHeads : 1,
      }),
      select.list(arena, { ...selection, label: 'list', list, listCapacity }),
      ...attending(plain, out),
      ...attending(tail, outWithTail),
    ];
    return { dispatches, outputs: [mapped, signatures, counted.buffer, list, out, outWithTail] };
  }

  return {
    variant: plain.variant,

    async run(cases) {
      const arena = new Arena(gpu);
      try {
        const prepared = cases.map((one) => prepareCase(arena, one));
        submitDispatches(
          gpu,
          prepared.flatMap(({ dispatches }) => dispatches),
        );
        const perCase = prepared[0]!.outputs.length;
        const read = await readTogether(
          gpu,
          prepared.flatMap(({ outputs }) => outputs),
        );
        return cases.map(({ kvHeads }, i): HashStepResult => {
          const [mapped, signatures, counted, list, out, outWithTail] = read.slice(i * perCase);
          return {
            maps: maps[kvHeads - 1]!,
            mapped: new Float32Array(mapped!),
            signatures: new Uint32Array(signatures!),
            distances: new Uint16Array(counted!),
            list: new Uint32Array(list!),
            out: new Float32Array(out!),
            outWithTail: new Float32Array(outWithTail!),
          };
        });
      } finally {
        arena.dispose();
      }
    },

    dispose: () => mapArena.dispose(),
  };
}
