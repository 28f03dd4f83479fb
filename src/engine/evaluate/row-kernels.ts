/** The kernels that evaluate sparse attention for many rows at once. */
import { type AttendMasked, prepareAttendMasked } from '../../kernels/attend-prefill/attend-masked.ts';
import { type AttentionMass, prepareAttentionMass } from '../../kernels/attention-mass/attention-mass.ts';
import { type HashRows, prepareHashRows } from '../../kernels/hash-rows/hash-rows.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import { prepareSelectRows, type SelectRows } from '../../kernels/select-rows/select-rows.ts';
import { prepareTailRows, type TailRows } from '../../kernels/tail-rows/tail-rows.ts';
import { prepareTokenLoss, type TokenLoss } from '../../kernels/token-loss/token-loss.ts';

export interface RowKernels {
  readonly hashRows: HashRows;
  readonly select: SelectRows;
  readonly attend: AttendMasked;
  readonly tail: TailRows;
  readonly mass: AttentionMass;
  readonly loss: TokenLoss;
}

export async function prepareRowKernels(gpu: Gpu, headDim: number): Promise<RowKernels> {
  const [hashRows, select, attend, tail, mass, loss] = await Promise.all([
    prepareHashRows(gpu),
    prepareSelectRows(gpu),
    prepareAttendMasked(gpu, headDim),
    prepareTailRows(gpu),
    prepareAttentionMass(gpu),
    prepareTokenLoss(gpu),
  ]);
  return { hashRows, select, attend, tail, mass, loss };
}
