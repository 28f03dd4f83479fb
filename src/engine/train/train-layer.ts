/** One layer's training step as dispatches:  scores = t · Σ_h F_q(q_h) · tanh(β F_k(k)),  compared with the attention
 *  mass of the list's query heads, and back to every parameter. */
import type { Dispatch } from '../../kernels/runtime/dispatch.ts';
import { edgesOf } from './edges.ts';
import { lossShare } from './loss-share.ts';
import { mapBackward } from './map-pass.ts';
import {
  activateQueries,
  type Chunk,
  chunksOf,
  type LayerPassParts,
  mapParts,
  mapsForward,
  sumOverHeads,
  targetsAndScores,
} from './score-layer.ts';
import { tokensPerSplit } from './train-scratch.ts';

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
