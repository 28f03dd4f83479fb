/** The second half of decode attention, the same for every set of tokens. See attend-merge.wgsl. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu, KernelVariant } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import { type Packable, packedBytes } from '../shared/packed-vector.ts';
import mergeSource from './attend-merge.wgsl?raw';
import leavePlain from './leave-plain.wgsl?raw';
import mergeStart from './merge-start.wgsl?raw';
import { partialBytes, variantFor } from './split-plan.ts';

const mergeSerialSource = () => import('./attend-merge-serial.wgsl?raw');
const packedOutSource = () => import('./merge-packed.wgsl?raw');
/** How a merge leaves its result packed, too. */
export const packedSources = [
  () => import('../shared/packed-octet.wgsl?raw'),
  () => import('./leave-packed.wgsl?raw'),
];

export interface AttendMergeArgs {
  readonly label: string;
  /** f32 of `partialsShape` */
  readonly partials: BufferSlice;
  /** f32 [kvHeads · group, headDim]; left packed, too, where it can be and `mergePacks`. */
  readonly out: Packable;
  readonly kvHeads: number;
  readonly splits: number;
}

export type AttendMerge = (arena: Arena, args: AttendMergeArgs) => Dispatch;

const bindings = { partials: 'read', out: 'write' } as const;
const declared = { uniforms: { splits: 'u32' }, constants: ['headDim'] } as const;
export const mergeKernel = defineKernel({
  name: 'attend-merge',
  sources: [mergeStart, leavePlain, mergeSource],
  bindings,
  ...declared,
});
export const mergePackingKernel = defineKernel({
  name: 'attend-merge-packing',
  sources: [packedOutSource, ...packedSources, mergeStart, mergeSource],
  bindings: { ...bindings, packedOut: 'write' },
  ...declared,
});
export const mergeSerialKernel = defineKernel({
  name: 'attend-merge-serial',
  sources: [mergeStart, mergeSerialSource],
  bindings,
  ...declared,
});

/** Whether merges can leave what is attended packed: where products read vectors packed, and an octet lies in one head. */
export function mergePacks(gpu: Gpu, headDim: number, wanted?: KernelVariant): boolean {
  return gpu.traits.integerProductsFrom !== null && variantFor(gpu, headDim, wanted) !== 'serial';
}

/** Refuses a result too small for `qHeads` heads. Returns where it is also left packed. */
export function checkMerged(
  label: string,
  out: Packable,
  values: number,
  canPack: boolean,
): BufferSlice | undefined {
  expectBytes(`${label}: out`, out, values * 4);
  if (!out.packed) return undefined;
  invariant(canPack, `${label}: this merge leaves nothing packed`);
  expectBytes(`${label}: packed out`, out.packed, packedBytes(values));
  return out.packed;
}

/** @param group query heads per KV head */
export async function prepareMerge(
  gpu: Gpu,
  variant: KernelVariant,
  { headDim, group }: { readonly headDim: number; readonly group: number },
): Promise<AttendMerge> {
  const [plain, packing] = await Promise.all([
    prepareKernel(gpu, variant === 'serial' ? mergeSerialKernel : mergeKernel, { headDim }),
    mergePacks(gpu, headDim, variant) ? prepareKernel(gpu, mergePackingKernel, { headDim }) : null,
  ]);
  return (arena, { label, partials, out, kvHeads, splits }) => {
    const qHeads = kvHeads * group;
    const bytes = partialBytes(qHeads, splits, headDim);
    expectBytes(`${label}: partials`, partials, bytes);
    const packedOut = checkMerged(label, out, qHeads * headDim, packing !== null);
    const args = {
      label,
      uniforms: { splits },
      workgroups: [qHeads],
      bytes: bytes + qHeads * headDim * 4,
    } as const;
    return packing && packedOut
      ? packing.dispatch(arena, { ...args, bindings: { partials, out, packedOut } })
      : plain.dispatch(arena, { ...args, bindings: { partials, out } });
  };
}
