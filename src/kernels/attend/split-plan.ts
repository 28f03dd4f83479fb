/** How decode attention is split over workgroups; the partial results it leaves. */
import { invariant } from '../../errors.ts';
import type { Gpu, KernelVariant } from '../runtime/gpu.ts';

export interface SplitShape {
  readonly headDim: number;
  /** Query heads that attend to the same tokens. */
  readonly group: number;
  readonly listsPerKvHead: number;
  /** Of a workgroup of the team variants, where something else needs its memory. */
  readonly threads?: number;
  /** Splits go through many tiles: where rows are long, larger workgroups and fewer splits leave the merge less to read. */
  readonly isLong?: boolean;
}

export interface SplitPlan {
  readonly constants: Readonly<Record<string, number>>;
  /** Tokens a split takes at a time. */
  readonly tile: number;
  readonly splitsPerWorkgroup: number;
  /** Query heads of a list whose K and V rows are read once. */
  readonly headsPerWorkgroup: number;
  /** Most blocks in a run of block means: as in attend-blocks.wgsl. */
  readonly runBlocks: number;
  /** Splits of all lists together that keep a device busy. */
  readonly targetSplits: number;
}

/** Constants of the workgroup and subgroup variants; `serial` takes the first three. */
export const teamConstants = [
  'headDim',
  'group',
  'listsPerKvHead',
  'lanes',
  'octets',
  'sets',
  'together',
  'threads',
] as const;
export const serialConstants = teamConstants.slice(0, 3);

/** The variant asked for, or the fastest this device runs for this head size. */
export function variantFor(gpu: Gpu, headDim: number, wanted: KernelVariant | undefined): KernelVariant {
  invariant(headDim % 2 === 0 && headDim <= 256, `attend: headDim must be even, at most 256, got ${headDim}`);
  if (wanted) return wanted;
  if (headDim % 8 !== 0) return 'serial';
  return gpu.chooseVariant([
    'workgroup',
    ...(subgroupTakes(gpu, headDim) ? ['subgroup' as const] : []),
    'serial',
  ]);
}

/** Whether rows fit the teams of the subgroup variant: a team must fit the smallest subgroup the device may use, and a
 *  lane holds at most two octets in registers. */
export function subgroupTakes(gpu: Gpu, headDim: number): boolean {
  const smallest = gpu.traits.subgroups?.min ?? 0;
  return smallest >= 4 && headDim <= 2 * 8 * smallest;
}

/** Shape of the f32 tensor of partial results: per query head and split, the weighted sums, then four numbers. */
export function partialsShape(qHeads: number, splits: number, headDim: number): readonly number[] {
  return [qHeads, splits, Math.ceil(headDim / 4) * 4 + 4];
}

export function partialBytes(qHeads: number, splits: number, headDim: number): number {
  return partialsShape(qHeads, splits, headDim).reduce((product, size) => product * size, 4);
}

/** Workgroups a split needs for all query heads, `group` of which share a list. */
export function headBlocks(plan: SplitPlan, qHeads: number, group: number): number {
  return (qHeads / group) * Math.ceil(group / plan.headsPerWorkgroup);
}

/** A number of splits that fills the device without making the merge long.
 *  @param tokens the most that will be attended to */
export function splitsFor(plan: SplitPlan, tokens: number, blocks: number): number {
  const most = Math.min(plan.targetSplits / blocks, tokens / plan.tile);
  return Math.ceil(most / plan.splitsPerWorkgroup) * plan.splitsPerWorkgroup;
}

export function planSplit(gpu: Gpu, variant: KernelVariant, shape: SplitShape): SplitPlan {
  const { headDim, group, listsPerKvHead } = shape;
  const constants = { headDim, group, listsPerKvHead };
  if (variant === 'serial') {
    return {
      ...{ constants, tile: 32, splitsPerWorkgroup: 4, headsPerWorkgroup: 4, targetSplits: 48 },
      runBlocks: Number.POSITIVE_INFINITY,
    };
  }
  invariant(headDim % 8 === 0, `attend ${variant}: headDim must be a multiple of 8, got ${headDim}`);
  invariant(
    variant === 'workgroup' || subgroupTakes(gpu, headDim),
    `attend subgroup: rows of ${headDim} do not fit subgroups of ${gpu.traits.subgroups?.min}`,
  );
  const rowOctets = headDim / 8;
  const largestTeam = variant === 'workgroup' ? 32 : Math.min(32, gpu.traits.subgroups?.min ?? 0);
  const lanes = Math.min(Math.max(4, powerOfTwoFrom(rowOctets)), largestTeam);
  const octets = Math.ceil(rowOctets / lanes);
  // Shuffles cost no workgroup memory: more teams share the work of meeting at the end.
  const usual = (variant === 'subgroup' ? 128 : 64) / powerOfTwoFrom(octets);
  const fits = (sets: number, threads: number): boolean =>
    memoryOf(variant, { lanes, octets, sets, threads }) <= gpu.device.limits.maxComputeWorkgroupStorageSize;
  const isLarge = shape.isLong && variant === 'subgroup' && lanes >= 16 && octets === 1 && fits(1, 2 * usual);
  const threads = Math.max(lanes, shape.threads ?? (isLarge ? 2 * usual : usual));
  const sets = group > 4 && threads >= 2 * lanes && fits(2, threads) ? 2 : 1;
  // Two teams of a set that are sure to stand in one subgroup meet by shuffles.
  const smallest = Math.min(gpu.traits.subgroups?.min ?? 0, threads);
  const together = variant === 'subgroup' && 2 * lanes * sets <= smallest ? 2 : 1;
  return {
    constants: { ...constants, lanes, octets, sets, together, threads },
    tile: 4 * (threads / lanes / sets),
    splitsPerWorkgroup: 1,
    headsPerWorkgroup: 4 * sets,
    runBlocks: 4 * (threads / lanes),
    targetSplits: isLarge ? 256 : 512,
  };
}

/** Bytes of workgroup memory of a team variant, 2 KiB for what finds tokens among them. */
function memoryOf(
  variant: 'workgroup' | 'subgroup',
  shape: { readonly lanes: number; readonly octets: number; readonly sets: number; readonly threads: number },
): number {
  const { lanes, octets, sets, threads } = shape;
  const teams = threads / lanes;
  const scores = variant === 'workgroup' ? 4 * threads + 4 * teams : 0;
  return 16 * (8 * lanes * octets * sets + 2 * teams + scores) + 72 * threads * octets + 2048;
}

function powerOfTwoFrom(count: number): number {
  return 2 ** Math.ceil(Math.log2(count));
}
