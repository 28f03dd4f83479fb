/** How well one layer's signatures choose: the forward pass with signs and quantised queries, and its recall. */
import type { Dispatch } from '../../kernels/runtime/dispatch.ts';
import type { Tensor } from '../../kernels/runtime/tensor.ts';
import { edgesOf } from './edges.ts';
import {
  activateQueries,
  chunksOf,
  type LayerPassParts,
  mapsForward,
  sumOverHeads,
  targetsAndScores,
} from './score-layer.ts';

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
