/** The forward pass of one layer, which learning and measuring share: from its queries and cached keys to targets (attention
 *  mass) and scores. */
import type { Arena } from '../../kernels/runtime/arena.ts';
import type { Dispatch } from '../../kernels/runtime/dispatch.ts';
import type { BufferSlice, Tensor } from '../../kernels/runtime/tensor.ts';
import { edgesOf } from './edges.ts';
import type { LayerDimensions, LayerLayout } from './map-layout.ts';
import { type MapPassParts, mapForward } from './map-pass.ts';
import type { TrainKernels } from './train-kernels.ts';
import type { TrainOptions } from './train-options.ts';
import type { TrainScratch } from './train-scratch.ts';

/** What belongs to one layer. */
export interface LayerState {
  /** f32 [layout.count] */
  readonly parameters: Tensor;
  /** f32 [layout.count, 2] */
  readonly moments: Tensor;
  /** After RoPE, f32 [positions, qHeads, headDim]. */
  readonly queries: Tensor;
}

export interface LayerPassParts {
  readonly arena: Arena;
  readonly kernels: TrainKernels;
  readonly index: number;
  readonly options: TrainOptions;
  readonly dimensions: LayerDimensions;
  readonly layout: LayerLayout;
  readonly scratch: TrainScratch;
  readonly state: LayerState;
  /** Uniform `TrainStep`. */
  readonly train: BufferSlice;
  /** u32 [positions] */
  readonly positions: BufferSlice;
  /** Packed f16 [kvHeads, capacity, headDim] */
  readonly keyCache: BufferSlice;
  readonly capacity: number;
  readonly tokens: number;
}

/** Lists whose scores are held at once. */
export interface Chunk {
  readonly firstKvHead: number;
  readonly firstList: number;
  readonly lists: number;
}

/** All lists of the layer, as many KV heads at once as there is scratch for. */
export function chunksOf({ dimensions, layout, scratch }: LayerPassParts): Chunk[] {
  const { kvHeads } = dimensions;
  const listsPerKvHead = layout.lists / kvHeads;
  const chunks: Chunk[] = [];
  for (let head = 0; head < kvHeads; head += scratch.kvHeadsAtOnce) {
    const heads = Math.min(scratch.kvHeadsAtOnce, kvHeads - head);
    chunks.push({ firstKvHead: head, firstList: head * listsPerKvHead, lists: heads * listsPerKvHead });
  }
  return chunks;
}

/** The query maps or the key maps of the layer, and what they are applied to. */
export function mapParts(parts: LayerPassParts, which: 'query' | 'key'): MapPassParts {
  const { arena, kernels, index, options, dimensions, layout, scratch, state, train, tokens } = parts;
  const { qHeads, kvHeads, headDim } = dimensions;
  const isQuery = which === 'query';
  return {
    ...{ arena, kernels, train, parameters: state.parameters },
    label: `train[${index}].${which}`,
    map: layout[which],
    scratch: scratch[which],
    rows: isQuery ? options.positions : tokens,
    input: isQuery
      ? { data: state.queries, batch: headDim, step: qHeads * headDim, depth: 1 }
      : {
          ...{ data: scratch.keys, batch: tokens * headDim, step: headDim, depth: 1 },
          share: layout.lists / kvHeads,
        },
  };
}

/** From keys and queries to what their maps give before the last activation. */
export function mapsForward(parts: LayerPassParts): Dispatch[] {
  const { arena, kernels, index, dimensions, scratch, keyCache, capacity, tokens } = parts;
  const { kvHeads, headDim } = dimensions;
  return [
    kernels.gather.keys(arena, {
      ...{ label: `train[${index}].keys`, keyCache, out: scratch.keys },
      ...{ tokens, kvHeads, headDim, capacity },
    }),
    ...mapForward(mapParts(parts, 'query')),
    ...mapForward(mapParts(parts, 'key')),
  ];
}

/** scratch.queryValues = tanh or sign of what the query maps give. */
export function activateQueries(parts: LayerPassParts, kind: 'tanh' | 'sign'): Dispatch {
  const { arena, kernels, index, options, dimensions, scratch, train } = parts;
  return kernels.activate.forward(arena, {
    ...{ label: `train[${index}].queryValues`, kind, train },
    ...{ values: scratch.query.before.at(-1)!, out: scratch.queryValues },
    count: dimensions.qHeads * options.positions * options.bits,
  });
}

/** scratch.sums = values of the query heads of each list, added up. */
export function sumOverHeads(parts: LayerPassParts, values: Tensor): Dispatch {
  const { arena, kernels, index, options, layout, scratch } = parts;
  const { lists, headsPerList } = layout;
  return kernels.sum(arena, {
    ...{ label: `train[${index}].sums`, values, out: scratch.sums },
    ...{ outer: lists, terms: headsPerList, inner: options.positions * options.bits },
  });
}

/** Of a chunk's lists: attention mass of every token into scratch.targets, scores into scratch.scores. */
export function targetsAndScores(
  parts: LayerPassParts,
  chunk: Chunk,
  sums: Tensor = parts.scratch.sums,
): Dispatch[] {
  const { arena, kernels, index, options, dimensions, layout, scratch, state, tokens } = parts;
  const { qHeads, kvHeads, headDim } = dimensions;
  const { headsPerList } = layout;
  const { positions: rows, bits } = options;
  const { sink, window } = edgesOf(options, tokens);
  const { firstKvHead, firstList, lists } = chunk;
  const group = qHeads / kvHeads;
  const matrix = { rows, columns: tokens };
  return [
    kernels.product(arena, {
      ...{ label: `train[${index}].products`, ...matrix, batches: lists * headsPerList, depth: headDim },
      left: {
        ...{ data: state.queries, offset: firstKvHead * group * headDim, batch: headDim },
        ...{ step: qHeads * headDim, depth: 1 },
      },
      right: {
        ...{ data: scratch.keys, offset: firstKvHead * tokens * headDim, batch: tokens * headDim },
        ...{ share: group, step: headDim, depth: 1 },
      },
      out: { data: scratch.products, batch: rows * tokens, row: tokens },
    }),
    kernels.target(arena, {
      ...{ label: `train[${index}].targets`, positions: parts.positions, products: scratch.products },
      ...{ targets: scratch.targets, lists, heads: headsPerList, rows, tokens, sink, window },
      scale: 1 / Math.sqrt(headDim),
    }),
    kernels.product(arena, {
      ...{ label: `train[${index}].scores`, ...matrix, batches: lists, depth: bits },
      left: { data: sums, offset: firstList * rows * bits, batch: rows * bits, step: bits, depth: 1 },
      right: {
        ...{ data: scratch.signs, offset: firstList * tokens * bits, batch: tokens * bits },
        ...{ step: bits, depth: 1 },
      },
      out: { data: scratch.scores, batch: rows * tokens, row: tokens },
    }),
  ];
}
