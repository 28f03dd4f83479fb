/** Attention of a prompt's few rows behind many tokens, such as a question about a document read before. Loaded when there
 *  is such a prompt. */
import { partsFor, prepareAttendParts } from '../../kernels/attend-prefill/attend-prefill-parts.ts';
import type { Arena } from '../../kernels/runtime/arena.ts';
import type { Dispatch } from '../../kernels/runtime/dispatch.ts';
import { sliceBytes } from '../../kernels/runtime/tensor.ts';
import type { PrefillActivations } from './activations.ts';
import type { PrefillParts } from './prefill.ts';

/** From the query in `act` of a layer's chunk of `rows` to what it attends to; undefined where one part is enough, or all
 *  that there is room for. */
export type FewRowsAttention = (
  arena: Arena,
  chunk: { readonly index: number; readonly act: PrefillActivations; readonly rows: number },
) => readonly Dispatch[] | undefined;

export async function prepareFewRows({ gpu, config, cache }: PrefillParts): Promise<FewRowsAttention> {
  const { qHeads, kvHeads, headDim } = config;
  const attend = await prepareAttendParts(gpu, headDim);
  return (arena, { index, act, rows }) => {
    const scratch = act.gateUp; // in use only after attention
    if (partsFor({ tokens: rows, qHeads, headDim }, sliceBytes(scratch)) < 2) return undefined;
    const { key, value } = cache.layer(index);
    return attend(arena, {
      label: `layer[${index}].attention`,
      step: act.step,
      query: act.query,
      queryStride: qHeads * headDim,
      keys: key,
      values: value,
      capacity: cache.capacity,
      out: act.attended,
      scratch,
      tokens: rows,
      qHeads,
      kvHeads,
    });
  };
}
