/** The kernels that evaluate sparse attention for many rows at once. */
import { type AttendProxies, prepareAttendProxies } from '../../kernels/attend-rows/attend-proxies.ts';
import { type AttendRows, prepareAttendRows } from '../../kernels/attend-rows/attend-rows.ts';
import { type AttentionMass, prepareAttentionMass } from '../../kernels/attention-mass/attention-mass.ts';
import { type HashRows, prepareHashRows } from '../../kernels/hash-rows/hash-rows.ts';
import { prepareRowSums, type RowSums } from '../../kernels/row-sums/row-sums.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import { prepareSelectRows, type SelectRows } from '../../kernels/select-rows/select-rows.ts';
import { prepareTokenLoss, type TokenLoss } from '../../kernels/token-loss/token-loss.ts';

export interface RowKernels {
  readonly hashRows: HashRows;
  readonly select: SelectRows;
  /** To a few tokens, with the tail or not. */
  readonly attend: AttendRows;
  readonly sum: RowSums;
  /** With another account of the rest. */
  readonly attendProxies: AttendProxies;
  readonly mass: AttentionMass;
  readonly loss: TokenLoss;
}

export async function prepareRowKernels(gpu: Gpu, headDim: number): Promise<RowKernels> {
  const [hashRows, select, attend, sum, attendProxies, mass, loss] = await Promise.all([
    prepareHashRows(gpu),
    prepareSelectRows(gpu),
    prepareAttendRows(gpu, headDim),
    prepareRowSums(gpu),
    prepareAttendProxies(gpu, headDim),
    prepareAttentionMass(gpu, headDim),
    prepareTokenLoss(gpu),
  ]);
  return { hashRows, select, attend, sum, attendProxies, mass, loss };
}
