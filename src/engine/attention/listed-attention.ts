/** Attention to sink, window and a list of tokens per KV head, however that list is made. */
import { type AttendBlocks, prepareAttendBlocks } from '../../kernels/attend/attend-blocks.ts';
import {
  type AttendListed,
  type AttendListedArgs,
  prepareAttendListed,
} from '../../kernels/attend/attend-listed.ts';
import { type AttendTail, prepareAttendTail } from '../../kernels/attend/attend-tail.ts';
import type { Arena } from '../../kernels/runtime/arena.ts';
import type { BufferSlice } from '../../kernels/runtime/tensor.ts';
import { attendedBytes } from './attention-bytes.ts';
import type { AttentionLayer, AttentionPolicy } from './attention-policy.ts';
import { derivedBlockSums } from './block-sums.ts';
import type { Derived } from './derived-caches.ts';
import { SparseAttention, type SparseAttentionParts } from './sparse-attention.ts';
import { attendedOf, budgetUniform, layerChoices, mostSelected } from './sparse-choices.ts';
import type { TokenSelector } from './token-selector.ts';

export interface ListedAttentionParts extends SparseAttentionParts {
  readonly name: AttentionPolicy['name'];
  readonly selector: TokenSelector;
}

interface Lists extends Pick<AttendListedArgs, 'tokenLists' | 'listCapacity'> {
  readonly budgetOf: (layer: number) => BufferSlice;
}

/** Attention to a list, by its tail. */
type Attending =
  | { readonly kind: 'none'; readonly attend: AttendListed }
  | { readonly kind: 'mean'; readonly attend: AttendTail; readonly blockSums: Derived }
  | { readonly kind: 'blocks'; readonly attend: AttendBlocks; readonly blockSums: Derived };

export class ListedAttention extends SparseAttention {
  readonly #parts: ListedAttentionParts;
  readonly #attending: Attending;

  static async create(parts: ListedAttentionParts): Promise<ListedAttention> {
    const { gpu, config, choices } = parts;
    const { headDim, qHeads, kvHeads } = config;
    const shape = { headDim, group: qHeads / kvHeads, lists: 'kv-head' } as const;
    const kind = choices.tail;
    if (kind === 'none') {
      return new ListedAttention(parts, { kind, attend: await prepareAttendListed(gpu, shape) });
    }
    const sums = derivedBlockSums(gpu, config);
    if (kind === 'blocks') {
      const [attend, blockSums] = await Promise.all([prepareAttendBlocks(gpu, shape), sums]);
      return new ListedAttention(parts, { kind, attend, blockSums });
    }
    const [attend, blockSums] = await Promise.all([prepareAttendTail(gpu, shape), sums]);
    return new ListedAttention(parts, { kind, attend, blockSums });
  }

  private constructor(parts: ListedAttentionParts, attending: Attending) {
    super(parts, attending.kind === 'none' ? [] : [attending.blockSums]);
    this.#parts = parts;
    this.#attending = attending;
  }

  policy(arena: Arena): AttentionPolicy {
    const { name, config, choices, selector, cache } = this.#parts;
    const { kvHeads } = config;
    const { capacity } = cache;
    const budgetOf = (layer: number) => budgetUniform(arena, layerChoices(choices, layer));
    const setOf = (tokens: number, layer: number) => attendedOf(layerChoices(choices, layer), tokens);
    const most = mostSelected(choices, config.layers, capacity);
    const listCapacity = Math.max(1, most);
    const list = arena.tensor('attention.list', 'u32', [kvHeads, listCapacity]);
    const select = selector.prepare(arena, { budgetOf, capacity, list, listCapacity });
    const attend = this.#attend(arena, { budgetOf, tokenLists: list, listCapacity });
    return {
      name,
      isScattered: most > 0,
      attendedTokens: (tokens, layer) => setOf(tokens, layer).attended,
      attendedSet: setOf,
      selectedTokens: () => ({ dispatches: [], tokenLists: list }),
      bytesRead: (tokens, layer) =>
        selector.bytesRead(tokens) + attendedBytes(config, layerChoices(choices, layer), tokens, kvHeads),
      attend: (own, layer) => [...select(own, layer), ...attend(own, layer)],
    };
  }

  /** From a list to attended values. */
  #attend(arena: Arena, { budgetOf, ...lists }: Lists): AttentionPolicy['attend'] {
    const { config, choices, cache } = this.#parts;
    const { kvHeads } = config;
    const { capacity } = cache;
    const attending = this.#attending;
    const most = choices.sink + choices.window + lists.listCapacity;
    const slots = attending.kind === 'none' ? 0 : attending.attend.slotsFor(capacity);
    const splits = attending.attend.splitsFor(most, kvHeads, slots);
    const partialsShape = attending.attend.partialsShape(kvHeads, splits, slots);
    const partials = arena.tensor('attention.partials', 'f32', partialsShape);
    const shared = { partials, kvHeads, splits };
    const splitArgs = ({ index, step, query, cache: { key, value } }: AttentionLayer) => ({
      ...{ label: `layer[${index}].attention.split`, step, query, keyCache: key, valueCache: value },
      ...{ ...lists, ...shared, budget: budgetOf(index), capacity },
    });
    const mergeArgs = ({ index, attended }: AttentionLayer) => ({
      label: `layer[${index}].attention`,
      ...shared,
      out: attended,
    });
    switch (attending.kind) {
      case 'none': {
        const { split, merge } = attending.attend;
        return (own, layer) => [split(own, splitArgs(layer)), merge(own, mergeArgs(layer))];
      }
      case 'blocks': {
        const { split, merge } = attending.attend;
        return (own, layer) => {
          const blockSums = this.caches.tensor(attending.blockSums, layer.index);
          return [
            split(own, { ...splitArgs(layer), slots, blockSums }),
            merge(own, { ...mergeArgs(layer), splits: splits + slots }),
          ];
        };
      }
      case 'mean': {
        const { tailSumsShape, split, merge } = attending.attend;
        const tailSums = arena.tensor('attention.tailSums', 'f32', tailSumsShape(kvHeads, slots, splits));
        const tail = { tailSums, slots };
        return (own, layer) => {
          const { step, query, index } = layer;
          const blockSums = this.caches.tensor(attending.blockSums, index);
          return [
            split(own, { ...splitArgs(layer), ...tail, blockSums }),
            merge(own, { ...mergeArgs(layer), ...tail, step, query, budget: budgetOf(index) }),
          ];
        };
      }
      default:
        return attending satisfies never;
    }
  }
}
