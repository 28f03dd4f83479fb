/** The ceiling: the tokens to which dense attention gives most weight, summed over the query heads of a KV head. */
import {
  attentionTotalsShape,
  prepareAttentionWeights,
} from '../../kernels/attention-weights/attention-weights.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import { prepareSelectHeaviest } from '../../kernels/select-scores/select-scores.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { TokenSelector } from './token-selector.ts';

export async function oracleSelector(gpu: Gpu, config: ModelConfig): Promise<TokenSelector> {
  const [weigh, select] = await Promise.all([prepareAttentionWeights(gpu), prepareSelectHeaviest(gpu)]);
  const { qHeads, kvHeads, headDim } = config;
  return {
    prepare: (arena, { budgetOf, capacity, list, listCapacity }) => {
      const weights = arena.tensor('oracle.weights', 'f32', [qHeads, capacity]);
      const totals = arena.tensor('oracle.totals', 'f32', attentionTotalsShape(qHeads));
      return (own, { index, step, query, cache }) => [
        ...weigh(own, {
          ...{ label: `layer[${index}].attention.weights`, step, query, keyCache: cache.key },
          ...{ weights, totals, qHeads, kvHeads, headDim, capacity },
        }),
        select(own, {
          ...{ label: `layer[${index}].attention.list`, step, budget: budgetOf(index), weights, list },
          ...{ lists: kvHeads, group: qHeads / kvHeads, listCapacity, capacity },
        }),
      ];
    },
    bytesRead: (contextTokens) => contextTokens * kvHeads * headDim * 2,
  };
}
