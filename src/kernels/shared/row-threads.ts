/** Kernels that give a row to a workgroup and meet at barriers. */
import type { Gpu } from '../runtime/gpu.ts';

/** 'serial': workgroups so small that a CPU runs each as one vector, where barriers cost nothing. */
export type RowVariant = 'workgroup' | 'serial';

/** The `threads` such a kernel is compiled for, by the device unless told. */
export function rowThreads(gpu: Gpu, variant?: RowVariant): number {
  return (variant ?? gpu.chooseVariant(['serial'])) === 'serial' ? 4 : 256;
}
