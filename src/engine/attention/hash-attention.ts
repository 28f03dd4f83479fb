/** HashAttention as a policy: hash the query and the new key, select tokens by distance, attend to them.
 *  See the paper, arXiv:2412.14468; design of the lists and scores: kernels/hash-reference. */
import { prepareAttendListed } from '../../kernels/attend/attend-listed.ts';
import { prepareAttendTail } from '../../kernels/attend/attend-tail.ts';
import { type HashQuery, prepareHashQuery } from '../../kernels/hash-query/hash-query.ts';
import type { Arena } from '../../kernels/runtime/arena.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import { prepareSelectTokens, type SelectTokens } from '../../kernels/select-tokens/select-tokens.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { GpuHashMaps } from '../load/gpu-hash-maps.ts';
import { hashBytesRead } from './attention-bytes.ts';
import type { AttentionPolicy } from './attention-policy.ts';
import { derivedBlockSums } from './block-sums.ts';
import { type CachedLayers, type Derived, DerivedCaches } from './derived-caches.ts';
import type { HashChoices } from './hash-choices.ts';
import { derivedSignatures } from './signatures.ts';
import type { SparseAttention } from './sparse-attention.ts';
import { attendedOf, sparseLayers } from './sparse-choices.ts';

export interface HashAttentionParts {
  readonly gpu: Gpu;
  readonly config: ModelConfig;
  readonly maps: GpuHashMaps;
  readonly choices: HashChoices;
  readonly cache: CachedLayers;
}

type Kernels = Awaited<ReturnType<typeof prepareKernels>>;

export class HashAttention implements SparseAttention {
  readonly choices: HashChoices;
  readonly #parts: HashAttentionParts;
  readonly #kernels: Kernels;
  readonly #caches: DerivedCaches;

  static async create(parts: HashAttentionParts): Promise<HashAttention> {
    return new HashAttention(parts, await prepareKernels(parts));
  }

  private constructor(parts: HashAttentionParts, kernels: Kernels) {
    const { gpu, cache, choices, config } = parts;
    const { signatures, blockSums } = kernels;
    this.#parts = parts;
    this.#kernels = kernels;
    this.choices = choices;
    const derived = blockSums ? [signatures, blockSums] : [signatures];
    this.#caches = new DerivedCaches(gpu, cache, sparseLayers(choices, config.layers), derived);
  }

  get byteLength(): number {
    return this.#caches.byteLength;
  }

  catchUp(tokens: number): Promise<boolean> {
    return this.#caches.catchUp(tokens);
  }

  advance(tokens: number): void {
    this.#caches.advance(tokens);
  }

  truncate(tokens: number): void {
    this.#caches.truncate(tokens);
  }

  /** The policy of every layer that is not dense; the buffers its layers share live in `arena`. */
  policy(arena: Arena): AttentionPolicy {
    const { config, choices, maps, cache } = this.#parts;
    const { hashQuery, select, attend } = this.#kernels;
    const kernels = this.#kernels;
    const caches = this.#caches;
    const { kvHeads, headDim } = config;
    const shape = listShape(this.#parts);
    const { lists, listsPerHead, planes } = shape;
    const { capacity } = cache;
    const { sink, window, count, share } = choices;
    const listCapacity = Math.max(1, attendedOf(choices, capacity).selected);
    const chunks = select.chunksFor(capacity, lists);
    const splits = attend.splitsFor(sink + window + listCapacity, kvHeads);
    const slots = attend.tail?.slotsFor(capacity) ?? 0;
    const budget = {
      buffer: arena.uniform('hash.budget', Uint32Array.of(sink, window, count, share).buffer),
    };
    const queryPlanes = arena.tensor('hash.planes', 'u32', [lists, planes, maps.bits / 32]);
    const counts = arena.tensor('hash.counts', 'u32', select.countsShape(lists, chunks));
    const list = arena.tensor('hash.list', 'u32', [lists, listCapacity]);
    const partials = arena.tensor('hash.partials', 'f32', attend.partialsShape(kvHeads, splits));
    const tailSums =
      attend.tail && arena.tensor('hash.tailSums', 'f32', attend.tail.tailSumsShape(kvHeads, slots));
    return {
      name: 'hash',
      attendedTokens: (tokens) => attendedOf(choices, tokens).attended,
      attendedSet: (tokens) => attendedOf(choices, tokens),
      selectedTokens: () => ({ dispatches: [], tokenLists: list }),
      bytesRead: (tokens, layer) => hashBytesRead(this.#parts, tokens, layer),
      attend: (own, { index, step, query, cache: { key, value }, attended }) => {
        const label = (name: string): string => `layer[${index}].attention.${name}`;
        const signatures = caches.tensor(kernels.signatures, index);
        const { query: queryMap, key: keyMap } = maps.layers[index]!;
        const selection = {
          step,
          budget,
          queryPlanes,
          signatures,
          counts,
          lists,
          listsPerHead,
          capacity,
          chunks,
        };
        const attending = {
          ...{
            step,
            budget,
            query,
            keyCache: key,
            valueCache: value,
            capacity,
            tokenLists: list,
            listCapacity,
          },
          ...{ partials, kvHeads, splits },
        };
        return [
          hashQuery(own, {
            ...{ label: label('planes'), step, query, keyCache: key, queryMap, keyMap },
            ...{ planes: queryPlanes, signatures, kvHeads, headDim, capacity },
          }),
          select.count(own, { label: label('counts'), ...selection }),
          select.list(own, { label: label('list'), ...selection, list, listCapacity }),
          ...(attend.tail && tailSums && kernels.blockSums
            ? [
                attend.tail.split(own, {
                  ...{ label: label('split'), ...attending, tailSums, slots },
                  blockSums: caches.tensor(kernels.blockSums, index),
                }),
                attend.tail.merge(own, {
                  ...{ label: `layer[${index}].attention`, step, budget, query, tailSums, partials },
                  ...{ out: attended, kvHeads, splits, slots },
                }),
              ]
            : [
                attend.listed.split(own, { label: label('split'), ...attending }),
                attend.listed.merge(own, {
                  ...{ label: `layer[${index}].attention`, partials, out: attended, kvHeads, splits },
                }),
              ]),
        ];
      },
    };
  }

  dispose(): void {
    this.#caches.dispose();
  }
}

/** How many lists there are, and how many planes each is compared by. */
function listShape({ config, choices, maps }: HashAttentionParts) {
  const { qHeads, kvHeads } = config;
  const group = qHeads / kvHeads;
  const isShared = choices.lists === 'kv-head';
  const isOwn = isShared && maps.sharing === 'query-head';
  const planesOfHamming = isShared ? group : 1;
  return {
    lists: isShared ? kvHeads : qHeads,
    listsPerHead: !isShared && maps.sharing === 'kv-head' ? group : 1,
    planes: choices.score === 'asymmetric' ? choices.queryBits : planesOfHamming,
    signatures: isOwn ? ('own' as const) : ('shared' as const),
    summed: isShared ? group : 1,
  };
}

async function prepareKernels(parts: HashAttentionParts): Promise<{
  readonly hashQuery: HashQuery;
  readonly signatures: Derived;
  /** Null without a tail. */
  readonly blockSums: Derived | null;
  readonly select: SelectTokens;
  readonly attend: Pick<Awaited<ReturnType<typeof prepareAttendListed>>, 'splitsFor' | 'partialsShape'> & {
    readonly listed: Awaited<ReturnType<typeof prepareAttendListed>>;
    readonly tail: Awaited<ReturnType<typeof prepareAttendTail>> | null;
  };
}> {
  const { gpu, config, maps, choices } = parts;
  const { qHeads, kvHeads, headDim } = config;
  const { planes, signatures: owners, summed } = listShape(parts);
  const isAsymmetric = choices.score === 'asymmetric';
  const score = isAsymmetric
    ? ({ kind: 'asymmetric', queryBits: choices.queryBits, summed } as const)
    : ({ kind: 'hamming' } as const);
  const attendShape = { headDim, group: qHeads / kvHeads, lists: choices.lists };
  const [hashQuery, signatures, blockSums, select, listed, tail] = await Promise.all([
    prepareHashQuery(gpu, { score, qHeads, width: maps.width }),
    derivedSignatures(gpu, config, maps),
    choices.tail ? derivedBlockSums(gpu, config) : null,
    prepareSelectTokens(gpu, {
      ...{ planes, words: maps.bits === 64 ? 2 : 1, signatures: owners },
      weights: isAsymmetric ? 'doubling' : 'equal',
    }),
    prepareAttendListed(gpu, attendShape),
    choices.tail ? prepareAttendTail(gpu, attendShape) : null,
  ]);
  const { splitsFor, partialsShape } = tail ?? listed;
  return { hashQuery, signatures, blockSums, select, attend: { listed, tail, splitsFor, partialsShape } };
}
