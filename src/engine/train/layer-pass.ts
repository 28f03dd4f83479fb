/** One layer's training step as dispatches:  scores = t · Σ_h F_q(q_h) · tanh(β F_k(k)),  compared with the attention
 *  mass of the list's query heads, and back to every parameter. The same forward pass, with signs and quantised
 *  queries, measures recall. */
import type { Arena } from '../../kernels/runtime/arena.ts';
import type { Dispatch } from '../../kernels/runtime/dispatch.ts';
import type { BufferSlice, Tensor } from '../../kernels/runtime/tensor.ts';
import { edgesOf } from './edges.ts';
import { lossShare } from './loss-share.ts';
import type { LayerDimensions, LayerLayout } from './map-layout.ts';
import { type MapPassParts, mapBackward, mapForward } from './map-pass.ts';
import type { TrainKernels } from './train-kernels.ts';
import type { TrainOptions } from './train-options.ts';
import { type TrainScratch, tokensPerSplit } from './train-scratch.ts';

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

/** Loss into `scratch.losses[index]`, gradients, and Adam's step. */
export function trainLayer(parts: LayerPassParts): Dispatch[] {
  const { arena, kernels, index, options, layout, scratch, state, train } = parts;
  const { lists, headsPerList, key, scaleIndex, count } = layout;
  const { positions: rows, bits, score } = options;
  const { tokens } = parts;
  const label = (name: string): string => `train[${index}].${name}`;
  const { before: queryBefore, slopes: querySlopes } = scratch.query;
  const isAsymmetric = score === 'asymmetric';
  const queryValues = isAsymmetric ? queryBefore.at(-1)! : scratch.queryValues;
  const keyValues = scratch.key.before.at(-1)!;
  const sumShape = { outer: lists, inner: rows * bits };
  return [
    ...mapsForward(parts),
    ...(isAsymmetric ? [] : [activateQueries(parts, 'tanh')]),
    sumOverHeads(parts, queryValues),
    kernels.activate.forward(arena, {
      ...{ label: label('signs'), kind: 'tanh', train, values: keyValues, out: scratch.signs },
      count: lists * tokens * bits,
    }),
    ...chunksOf(parts).flatMap((chunk) => [
      ...targetsAndScores(parts, chunk),
      lossOf(parts, chunk),
      ...scoreSlopes(parts, chunk),
    ]),
    kernels.sum(arena, {
      ...{ label: label('sumSlopes'), values: scratch.sumSlopeParts, out: scratch.sumSlopes },
      ...{ outer: 1, terms: Math.ceil(tokens / tokensPerSplit), inner: lists * rows * bits },
    }),
    ...(isAsymmetric
      ? []
      : [
          kernels.activate.backward(arena, {
            ...{ label: label('querySlopes'), kind: 'tanh', train, values: queryBefore.at(-1)! },
            ...{ slopes: scratch.sumSlopes, out: querySlopes, ...sumShape, terms: headsPerList },
          }),
        ]),
    ...mapBackward(
      mapParts(parts, 'query'),
      isAsymmetric ? { data: scratch.sumSlopes, share: headsPerList } : { data: querySlopes, share: 1 },
      scratch.gradients,
    ),
    kernels.activate.backward(arena, {
      ...{ label: label('keySlopes'), kind: 'tanh', train, values: keyValues },
      ...{ slopes: scratch.signSlopes, out: scratch.key.slopes },
      ...{ outer: key.heads, terms: 1, inner: tokens * bits },
    }),
    ...mapBackward(mapParts(parts, 'key'), { data: scratch.key.slopes, share: 1 }, scratch.gradients),
    kernels.sum(arena, {
      ...{ label: label('loss'), values: scratch.results, out: scratch.losses, outOffset: index },
      ...{ outer: 1, terms: lists * rows, inner: 1 },
    }),
    kernels.sum(arena, {
      ...{ label: label('scaleSlope'), out: scratch.gradients, outOffset: scaleIndex },
      values: { buffer: scratch.results.buffer, offset: 4 * scratch.resultRows },
      ...{ outer: 1, terms: lists * rows, inner: 1 },
    }),
    kernels.adam(arena, {
      ...{ label: label('adam'), train, gradients: scratch.gradients, count },
      ...{ moments: state.moments, parameters: state.parameters },
    }),
  ];
}

/** Recall and mass of each row into `results` from `index` · lists · positions on, as signatures would be compared. */
export function measureLayer(parts: LayerPassParts, results: Tensor, share: number): Dispatch[] {
  const { arena, kernels, index, options, layout, scratch, train, tokens } = parts;
  const { lists } = layout;
  const { positions: rows, bits, queryBits } = options;
  const { sink, window } = edgesOf(options, tokens);
  const label = (name: string): string => `measure[${index}].${name}`;
  const isAsymmetric = options.score === 'asymmetric';
  const queryValues = isAsymmetric ? scratch.query.before.at(-1)! : scratch.queryValues;
  return [
    ...mapsForward(parts),
    ...(isAsymmetric ? [] : [activateQueries(parts, 'sign')]),
    sumOverHeads(parts, queryValues),
    // the levels of a sum go where slopes of sums are kept in training
    ...(isAsymmetric
      ? [
          kernels.recall.levels(arena, {
            ...{ label: label('levels'), values: scratch.sums, out: scratch.sumSlopes },
            ...{ rows: lists * rows, bits, queryBits },
          }),
        ]
      : []),
    kernels.activate.forward(arena, {
      ...{ label: label('signs'), kind: 'sign', train, out: scratch.signs },
      ...{ values: scratch.key.before.at(-1)!, count: lists * tokens * bits },
    }),
    ...chunksOf(parts).flatMap((chunk) => [
      ...targetsAndScores(parts, chunk, isAsymmetric ? scratch.sumSlopes : scratch.sums),
      kernels.recall.recall(arena, {
        ...{ label: label('recall'), positions: parts.positions, targets: scratch.targets },
        ...{ scores: scratch.scores, results, firstResult: (index * lists + chunk.firstList) * rows },
        ...{ lists: chunk.lists, rows, tokens, sink, window, share },
      }),
    ]),
  ];
}

/** Lists whose scores are held at once. */
interface Chunk {
  readonly firstKvHead: number;
  readonly firstList: number;
  readonly lists: number;
}

function chunksOf({ dimensions, layout, scratch }: LayerPassParts): Chunk[] {
  const { kvHeads } = dimensions;
  const listsPerKvHead = layout.lists / kvHeads;
  const chunks: Chunk[] = [];
  for (let head = 0; head < kvHeads; head += scratch.kvHeadsAtOnce) {
    const heads = Math.min(scratch.kvHeadsAtOnce, kvHeads - head);
    chunks.push({ firstKvHead: head, firstList: head * listsPerKvHead, lists: heads * listsPerKvHead });
  }
  return chunks;
}

function mapParts(parts: LayerPassParts, which: 'query' | 'key'): MapPassParts {
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

function mapsForward(parts: LayerPassParts): Dispatch[] {
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

function activateQueries(parts: LayerPassParts, kind: 'tanh' | 'sign'): Dispatch {
  const { arena, kernels, index, options, dimensions, scratch, train } = parts;
  return kernels.activate.forward(arena, {
    ...{ label: `train[${index}].queryValues`, kind, train },
    ...{ values: scratch.query.before.at(-1)!, out: scratch.queryValues },
    count: dimensions.qHeads * options.positions * options.bits,
  });
}

function sumOverHeads(parts: LayerPassParts, values: Tensor): Dispatch {
  const { arena, kernels, index, options, layout, scratch } = parts;
  const { lists, headsPerList } = layout;
  return kernels.sum(arena, {
    ...{ label: `train[${index}].sums`, values, out: scratch.sums },
    ...{ outer: lists, terms: headsPerList, inner: options.positions * options.bits },
  });
}

function targetsAndScores(
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

function lossOf(parts: LayerPassParts, { firstList, lists }: Chunk): Dispatch {
  const { arena, kernels, index, options, layout, scratch, state, tokens } = parts;
  const { positions: rows, loss } = options;
  const { sink, window } = edgesOf(options, tokens);
  return kernels.loss(arena, {
    ...{ label: `train[${index}].rowLosses`, positions: parts.positions, targets: scratch.targets },
    ...{ parameters: state.parameters, scaleIndex: layout.scaleIndex, scores: scratch.scores },
    ...{ results: scratch.results, firstResult: firstList * rows, allRows: scratch.resultRows },
    ...{ lists, rows, tokens, sink, window, share: lossShare(loss, layout, rows, tokens) },
  });
}

/** From the slopes by the scores to those by the sums of queries and by the signs of keys. */
function scoreSlopes(parts: LayerPassParts, { firstList, lists }: Chunk): Dispatch[] {
  const { arena, kernels, index, options, layout, scratch, tokens } = parts;
  const { positions: rows, bits } = options;
  const sums = { data: scratch.sums, offset: firstList * rows * bits, batch: rows * bits };
  const signs = { data: scratch.signs, offset: firstList * tokens * bits, batch: tokens * bits };
  const slopes = { data: scratch.scores, batch: rows * tokens };
  return [
    kernels.product(arena, {
      ...{ label: `train[${index}].sumSlopes`, batches: lists, rows, columns: bits },
      ...{ depth: tokens, depthPerSplit: Math.min(tokens, tokensPerSplit) },
      left: { ...slopes, step: tokens, depth: 1 },
      right: { ...signs, step: 1, depth: bits },
      out: {
        ...{ data: scratch.sumSlopeParts, offset: sums.offset, batch: rows * bits, row: bits },
        splitStride: layout.lists * rows * bits,
      },
    }),
    kernels.product(arena, {
      ...{ label: `train[${index}].signSlopes`, batches: lists, rows: tokens, columns: bits, depth: rows },
      left: { ...slopes, step: 1, depth: tokens },
      right: { ...sums, step: 1, depth: bits },
      out: { data: scratch.signSlopes, offset: signs.offset, batch: tokens * bits, row: bits },
    }),
  ];
}
