/** HashAttention as a policy: hash the query and the new key, select tokens by distance, attend to them.
 *  See the paper, arXiv:2412.14468; design of the lists and scores: kernels/hash-reference. */
import { prepareAttendSelected } from '../../kernels/attend/attend-selected.ts';
import { prepareHashQuery } from '../../kernels/hash-query/hash-query.ts';
import type { Arena } from '../../kernels/runtime/arena.ts';
import type { Tensor } from '../../kernels/runtime/tensor.ts';
import { prepareSelectTokens } from '../../kernels/select-tokens/select-tokens.ts';
import { countedWords } from '../../kernels/shared/token-chunks.ts';
import type { GpuHashMaps } from '../load/gpu-hash-maps.ts';
import { hashBytesRead } from './attention-bytes.ts';
import type { AttentionPolicy } from './attention-policy.ts';
import { derivedBlockSums } from './block-sums.ts';
import type { HashChoices } from './hash-choices.ts';
import { derivedSignatures } from './signatures.ts';
import { SparseAttention, type SparseAttentionParts } from './sparse-attention.ts';
import { attendedOf, budgetUniform, layerChoices, mostSelected } from './sparse-choices.ts';

export interface HashAttentionParts extends SparseAttentionParts {
  readonly maps: GpuHashMaps;
  readonly choices: HashChoices;
}

type Kernels = Awaited<ReturnType<typeof prepareKernels>>;

export class HashAttention extends SparseAttention {
  readonly #parts: HashAttentionParts;
  readonly #kernels: Kernels;

  static async create(parts: HashAttentionParts): Promise<HashAttention> {
    return new HashAttention(parts, await prepareKernels(parts));
  }

  private constructor(parts: HashAttentionParts, kernels: Kernels) {
    const { signatures, blockSums } = kernels;
    super(parts, blockSums ? [signatures, blockSums] : [signatures]);
    this.#parts = parts;
    this.#kernels = kernels;
  }

  /** u32 [heads, capacity, words], once `catchUp` has made room. */
  signatures(layer: number): Tensor {
    return this.caches.tensor(this.#kernels.signatures, layer);
  }

  /** The policy of every layer that is not dense; the buffers its layers share live in `arena`. */
  policy(arena: Arena): AttentionPolicy {
    const { config, choices, maps, cache } = this.#parts;
    const { hashQuery, select, attend, signatures, blockSums } = this.#kernels;
    const { caches } = this;
    const { qHeads, kvHeads, headDim } = config;
    const { lists, listsPerHead } = listShape(this.#parts);
    const { capacity } = cache;
    const { sink, window } = choices;
    const listCapacity = Math.max(1, mostSelected(choices, config.layers, capacity));
    const setOf = (tokens: number, layer: number) => attendedOf(layerChoices(choices, layer), tokens);
    const mapped = arena.tensor('hash.mapped', 'f32', [qHeads, maps.bits]);
    const countedShape = { bins: select.bins, chunks: select.chunksFor(capacity, lists) };
    const words = countedWords(lists, capacity, countedShape);
    const counted = { ...countedShape, buffer: arena.tensor('hash.counted', 'u32', [words]) };
    const scratch = attend.scratch(arena, { kvHeads, capacity, tokens: sink + window + listCapacity });
    return {
      name: 'hash',
      isScattered: true,
      attendedTokens: (tokens, layer) => setOf(tokens, layer).attended,
      attendedSet: setOf,
      selectedTokens: (own, { index, step }) => {
        const list = own.tensor('hash.list', 'u32', [lists, listCapacity]);
        const label = `layer[${index}].attention.list`;
        const budget = budgetUniform(arena, layerChoices(choices, index));
        const dispatch = select.list(own, {
          ...{ label, step, budget, lists, capacity, counted, list, listCapacity },
        });
        return { dispatches: [dispatch], tokenLists: list };
      },
      bytesRead: (tokens, layer) => hashBytesRead(this.#parts, tokens, layer),
      attend: (own, { index, step, query, cache: { key, value }, attended }) => {
        const label = `layer[${index}].attention`;
        const budget = budgetUniform(arena, layerChoices(choices, index));
        const ofLayer = caches.tensor(signatures, index);
        const { query: queryMap, key: keyMap } = maps.layers[index]!;
        const context = { step, capacity, kvHeads, keyCache: key };
        return [
          hashQuery(own, {
            ...{ ...context, label: `${label}.mapped`, query, queryMap, keyMap },
            ...{ mapped, signatures: ofLayer, headDim },
          }),
          select.count(own, {
            ...{ label: `${label}.counted`, step, budget, mapped, signatures: ofLayer, counted },
            ...{ lists, listsPerHead, capacity },
          }),
          ...attend.attend(own, {
            ...{ ...context, label, budget, query, valueCache: value, counted, scratch, out: attended },
            ...(blockSums ? { blockSums: caches.tensor(blockSums, index) } : {}),
          }),
        ];
      },
    };
  }
}

/** How many lists there are, of how many query heads each, and whose signatures they are compared with. */
function listShape({ config, choices, maps }: HashAttentionParts) {
  const { qHeads, kvHeads } = config;
  const group = qHeads / kvHeads;
  const isShared = choices.lists === 'kv-head';
  const isOwn = isShared && maps.sharing === 'query-head';
  return {
    lists: isShared ? kvHeads : qHeads,
    listsPerHead: !isShared && maps.sharing === 'kv-head' ? group : 1,
    signatures: isOwn ? ('own' as const) : ('shared' as const),
    summed: isShared ? group : 1,
  };
}

async function prepareKernels(parts: HashAttentionParts) {
  const { gpu, config, maps, choices } = parts;
  const { qHeads, kvHeads, headDim } = config;
  const { signatures: owners, summed } = listShape(parts);
  const { queryBits, tail } = choices;
  const score = choices.score === 'asymmetric' ? { kind: choices.score, queryBits } : { kind: choices.score };
  const words = maps.bits === 64 ? 2 : 1;
  const [hashQuery, signatures, blockSums, select] = await Promise.all([
    prepareHashQuery(gpu, { qHeads, width: maps.width }),
    derivedSignatures(gpu, config, maps),
    tail === 'none' ? null : derivedBlockSums(gpu, config),
    prepareSelectTokens(gpu, { score, summed, words, signatures: owners }),
  ]);
  const { bins } = select;
  const attend = await prepareAttendSelected(gpu, {
    ...{ headDim, group: qHeads / kvHeads, lists: choices.lists, tail, bins },
  });
  return { hashQuery, signatures, blockSums, select, attend };
}
