/** Constants of prefix-sum-subgroup.wgsl. */
import { invariant } from '../../errors.ts';
import type { Gpu, KernelVariant } from '../runtime/gpu.ts';

/** @param threads of a workgroup
 *  @returns the most subgroups a workgroup may have; nothing for other variants, which do not take it */
export function subgroupConstants(
  gpu: Gpu,
  variant: KernelVariant,
  threads: number,
): { readonly subgroups?: number } {
  if (variant !== 'subgroup') return {};
  invariant(gpu.traits.subgroups, 'running sums: the device has no subgroups');
  return { subgroups: Math.max(1, threads / gpu.traits.subgroups.min) };
}
