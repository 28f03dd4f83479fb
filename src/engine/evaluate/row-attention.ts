/** Attention of a chunk of rows as one policy would do it step by step: which dispatches lead from rotated queries to
 *  attended values in each layer. */
import { invariant } from '../../errors.ts';
import type { TailProxy } from '../../kernels/attend-rows/attend-proxies.ts';
import type { RowTail } from '../../kernels/attend-rows/attend-rows.ts';
import { rowBlocksShape } from '../../kernels/row-sums/row-sums.ts';
import type { Arena } from '../../kernels/runtime/arena.ts';
import type { Dispatch } from '../../kernels/runtime/dispatch.ts';
import type { BufferSlice, Tensor } from '../../kernels/runtime/tensor.ts';
import { maskShape, type RowRanking } from '../../kernels/select-rows/select-rows.ts';
import { blockTokens, type TailKind } from '../../kernels/shared/token-blocks.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { Derived } from '../attention/derived-caches.ts';
import type { HashChoices } from '../attention/hash-choices.ts';
import type { GpuHashMaps } from '../load/gpu-hash-maps.ts';
import type { LayerCache } from '../network/kv-cache.ts';
import type { RowKernels } from './row-kernels.ts';

/** How a layer ranks tokens. */
export type RowSelector =
  | {
      readonly kind: 'hash';
      readonly choices: HashChoices;
      readonly maps: GpuHashMaps;
      readonly derived: Derived;
      /** u32 [heads with maps, capacity, words], by layer. */
      readonly signaturesOf: (layer: number) => Tensor;
    }
  | { readonly kind: 'oracle' }
  /** Seed of the first list of a layer; those of the others follow. */
  | { readonly kind: 'random'; readonly seedOf: (layer: number) => number }
  /** Nothing is selected. */
  | { readonly kind: 'none' };

export interface RowAttentionParts {
  readonly config: ModelConfig;
  readonly kernels: RowKernels;
  readonly selector: RowSelector;
  readonly lists: number;
  readonly tail: TailKind;
  /** In place of the tail. */
  readonly proxy: TailProxy | null;
  /** Uniform `Budget`. */
  readonly budget: BufferSlice;
  readonly scratch: RowScratch;
  readonly capacity: number;
}

/** What every layer writes anew, for `rows` rows of `lists` lists. */
export interface RowScratch {
  readonly rows: number;
  readonly mask: Tensor;
  readonly exactMask: Tensor;
  readonly scales: Tensor;
  /** f32 [lists, rows, capacity]; only where exact attention is wanted, as it is large. */
  readonly mass: Tensor | null;
  readonly planes: Tensor;
  /** Of row-sums: keys and values over all tokens before each block, and up to each row's. */
  readonly blocksBefore: Tensor;
  readonly sums: Tensor;
}

export function createRowScratch(
  arena: Arena,
  { qHeads, kvHeads, headDim }: ModelConfig,
  size: {
    readonly rows: number;
    readonly lists: number;
    readonly capacity: number;
    readonly hasMass: boolean;
  },
): RowScratch {
  const { rows, lists, capacity } = size;
  const mask = maskShape(lists, rows, capacity);
  return {
    rows,
    mask: arena.tensor('rows.mask', 'u32', mask),
    exactMask: arena.tensor('rows.exactMask', 'u32', mask),
    scales: arena.tensor('rows.scales', 'f32', [rows, qHeads]),
    mass: size.hasMass ? arena.tensor('rows.mass', 'f32', [lists, rows, capacity]) : null,
    // at most 4 planes or one for each of the list's heads, of two words
    planes: arena.tensor('rows.planes', 'u32', [rows, Math.max(4 * lists, qHeads), 2]),
    blocksBefore: arena.tensor('rows.blocksBefore', 'f32', rowBlocksShape(kvHeads, capacity, headDim)),
    sums: arena.tensor('rows.sums', 'f32', [kvHeads, rows, 2, headDim]),
  };
}

export interface RowLayer {
  readonly index: number;
  /** Rows of the chunk, at most as many as the scratch has. */
  readonly rows: number;
  readonly step: Tensor;
  /** f32 [rows, qHeads · headDim], rotated. */
  readonly query: Tensor;
  readonly cache: LayerCache;
  /** f32 [rows, qHeads · headDim]: the result. */
  readonly attended: Tensor;
  /** f32 [lists, rows, 2]: mass caught and tokens shared with the exact choice; null where it is not asked for. */
  readonly quality: BufferSlice | null;
}

/** The dispatches of a layer that attends sparsely. */
export function attendRowsSparsely(arena: Arena, parts: RowAttentionParts, layer: RowLayer): Dispatch[] {
  const { kernels, selector, scratch, budget } = parts;
  const { mask } = scratch;
  const shared = sharedArgs(parts, layer);
  const ranked = rank(arena, parts, layer);
  const needsMass = selector.kind === 'oracle' || layer.quality !== null;
  const label = `layer[${layer.index}].rows.mask`;
  return [
    ...ranked.dispatches,
    ...(needsMass ? exactMass(arena, parts, layer) : []),
    kernels.select(arena, { label, ...shared, budget, ranking: ranked.ranking, mask }),
    ...(layer.quality ? measure(arena, parts, layer, layer.quality) : []),
    ...attendMask(arena, parts, layer),
  ];
}

/** Attention to what the mask has, and some account of the rest or none. */
function attendMask(arena: Arena, parts: RowAttentionParts, layer: RowLayer): Dispatch[] {
  const { kernels, scratch, budget, config } = parts;
  const { rows: room, mask, blocksBefore, sums } = scratch;
  const shared = { ...sharedArgs(parts, layer), mask, out: layer.attended, budget };
  const label = `layer[${layer.index}].rows.attention`;
  const args = { ...shared, sums, blocksBefore, room, count: layer.rows, headDim: config.headDim };
  const tail = tailOf(parts);
  if (tail === null) return [kernels.attendProxies(arena, { label, ...args, proxy: parts.proxy! })];
  const needsSums = tail.kind !== 'none';
  return [
    ...(needsSums ? kernels.sum(arena, { label: `layer[${layer.index}].rows.sums`, ...args }) : []),
    kernels.attend(arena, { label, ...args, tail }),
  ];
}

/** What the fast kernel does; null where the proxy is none of its own. */
function tailOf({ tail, proxy }: RowAttentionParts): RowTail | null {
  if (!proxy) return tail === 'blocks' ? { kind: tail, tokens: blockTokens } : { kind: tail };
  const { kind, block, over, estimated } = proxy;
  const isOwn = kind === 'mean' && block !== null && over === 'block' && estimated;
  return isOwn ? { kind: 'blocks', tokens: block } : null;
}

function sharedArgs(
  { config, scratch, lists, capacity }: RowAttentionParts,
  { step, query, cache }: RowLayer,
) {
  const { qHeads, kvHeads } = config;
  const { rows, scales } = scratch;
  return {
    step,
    query,
    keys: cache.key,
    values: cache.value,
    scales,
    rows,
    lists,
    qHeads,
    kvHeads,
    capacity,
  };
}

function rank(
  arena: Arena,
  { kernels, selector, scratch, config, lists, capacity }: RowAttentionParts,
  { index, step, query, cache }: RowLayer,
): { ranking: RowRanking; dispatches: Dispatch[] } {
  switch (selector.kind) {
    case 'oracle':
      return { ranking: { kind: 'mass', mass: massOf(scratch) }, dispatches: [] };
    case 'random':
      return { ranking: { kind: 'random', seed: selector.seedOf(index) }, dispatches: [] };
    case 'none':
      return { ranking: { kind: 'random', seed: 0 }, dispatches: [] };
    case 'hash': {
      const { choices, maps, derived } = selector;
      const signatures = selector.signaturesOf(index);
      const { rows, planes } = scratch;
      const isAsymmetric = choices.score === 'asymmetric';
      const listHeads = config.qHeads / lists;
      const hasOwn = maps.sharing === 'query-head';
      const score = isAsymmetric
        ? ({ kind: 'asymmetric', queryBits: choices.queryBits } as const)
        : ({ kind: 'hamming' } as const);
      return {
        ranking: {
          ...{ kind: 'distance', queryPlanes: planes, signatures },
          planes: isAsymmetric ? choices.queryBits : listHeads,
          words: maps.bits / 32,
          weights: isAsymmetric ? 'doubling' : 'equal',
          signaturesOf: hasOwn && listHeads > 1 ? 'own' : 'shared',
          listsPerHead: hasOwn ? 1 : lists / config.kvHeads,
        },
        dispatches: [
          derived.make(arena, {
            ...{ label: `layer[${index}].rows.signatures`, layer: index, step, rows, cache, capacity },
            out: signatures,
          }),
          kernels.hashRows(arena, {
            label: `layer[${index}].rows.planes`,
            queryMap: maps.layers[index]!.query,
            ...{ step, query, planes, score, lists, rows, headDim: config.headDim },
          }),
        ],
      };
    }
    default:
      return selector satisfies never;
  }
}

/** Every token's exact share. */
function exactMass(arena: Arena, parts: RowAttentionParts, layer: RowLayer): Dispatch[] {
  const shared = sharedArgs(parts, layer);
  const label = `layer[${layer.index}].rows.mass`;
  return parts.kernels.mass.mass(arena, { label, ...shared, mass: massOf(parts.scratch) });
}

function measure(arena: Arena, parts: RowAttentionParts, layer: RowLayer, quality: BufferSlice): Dispatch[] {
  const { kernels, scratch, budget } = parts;
  const shared = sharedArgs(parts, layer);
  const label = `layer[${layer.index}].rows.quality`;
  const { mask, exactMask } = scratch;
  const mass = massOf(scratch);
  return [
    kernels.select(arena, { label, ...shared, budget, ranking: { kind: 'mass', mass }, mask: exactMask }),
    kernels.mass.quality(arena, { label, ...shared, mass, mask, exactMask, quality }),
  ];
}

function massOf({ mass }: RowScratch): Tensor {
  invariant(mass, 'exact attention needs scratch for its mass');
  return mass;
}
