/** Override constants that products by floats and by integers choose alike. */
import { invariant } from '../../errors.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { MatrixFormat } from '../runtime/matrix.ts';

/** What a format of weights takes. */
export function formatConstants(format: MatrixFormat): Record<string, number> {
  if (format.kind !== 'q4' && format.kind !== 'q8') return {};
  return { groupShift: Math.log2(format.groupSize / 32), wideScales: Number(format.scales === 'f32') };
}

export function smallestSubgroup(gpu: Gpu): number {
  invariant(gpu.traits.subgroups, 'these variants of mat-vec need the subgroups feature');
  return gpu.traits.subgroups.min;
}
