/** Tokens drawn at random: what a policy must beat to have learned anything. */
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import { prepareSelectRandom } from '../../kernels/select-scores/select-scores.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { TokenSelector } from './token-selector.ts';

export async function randomSelector(
  gpu: Gpu,
  { kvHeads }: Pick<ModelConfig, 'kvHeads'>,
  seed: number,
): Promise<TokenSelector> {
  const select = await prepareSelectRandom(gpu);
  return {
    prepare:
      (_, { budgetOf, list, listCapacity }) =>
      (own, { index, step }) => [
        select(own, {
          ...{ label: `layer[${index}].attention.list`, step, budget: budgetOf(index) },
          ...{ list, lists: kvHeads, listCapacity },
          seed: (seed + index * kvHeads) >>> 0,
        }),
      ],
    bytesRead: () => 0,
  };
}
