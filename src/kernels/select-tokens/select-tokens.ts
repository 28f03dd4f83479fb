/** The k cached tokens nearest to each list's query, without sorting: distances, and how many candidates lie within each
 *  of them, chunk by chunk; from these follow a threshold and every selected token's place (shared/selection.wgsl).
 *  What is selected: select-tokens.ref.ts. `list` writes it out; attention finds it by itself. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu, KernelVariant } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import budgetSource from '../shared/budget.wgsl?raw';
import findSelection from '../shared/find-selection.wgsl?raw';
import findSelectionSubgroup from '../shared/find-selection-subgroup.wgsl?raw';
import { subgroupConstants } from '../shared/prefix-sum.ts';
import prefixSum from '../shared/prefix-sum.wgsl?raw';
import prefixSumSubgroup from '../shared/prefix-sum-subgroup.wgsl?raw';
import queryLevels from '../shared/query-levels.wgsl?raw';
import selectionSource from '../shared/selection.wgsl?raw';
import stepSource from '../shared/step.wgsl?raw';
import { type CountedTokens, checkCounted, countsAt, fineBinsOf } from '../shared/token-chunks.ts';
import chunksSource from '../shared/token-chunks.wgsl?raw';
import countSource from './count-distances.wgsl?raw';
import distancesSource from './distances.wgsl?raw';
import listSource from './list-selected.wgsl?raw';
import planesSource from './query-planes.wgsl?raw';
import planesSubgroup from './query-planes-subgroup.wgsl?raw';

/** distance = Σ_p 2^{e_p} · popcount(plane p XOR signature) */
export interface SelectTokensShape {
  /** What the planes of a list are made of.
   *  'asymmetric': the maps of its query heads are added and quantised to `queryBits`; plane b weighs 2^b.
   *  'hamming': one plane of signs per query head; all weigh 1. */
  readonly score: { readonly kind: 'asymmetric'; readonly queryBits: number } | { readonly kind: 'hamming' };
  /** Query heads of a list: 1, or the group. */
  readonly summed: number;
  /** u32 words of a signature. */
  readonly words: 1 | 2;
  /** 'shared': all planes of a list are compared with the signatures of one head, l / listsPerHead for list l;
   *  'own': plane p of list l with those of head l · planes + p. */
  readonly signatures: 'shared' | 'own';
  /** The fastest this device runs, unless told. */
  readonly variant?: SelectTokensVariant;
}

/** `serial` is `workgroup` with 4 invocations, because on a CPU a barrier costs in proportion to them. */
export type SelectTokensVariant = KernelVariant;

interface SelectionArgs {
  readonly label: string;
  /** Uniform `Step`: the context has step.position + 1 tokens, the current one included. */
  readonly step: BufferSlice;
  /** Uniform `Budget` */
  readonly budget: BufferSlice;
  readonly lists: number;
  /** A multiple of 4. */
  readonly capacity: number;
  /** With this kernel's bins. */
  readonly counted: CountedTokens;
}

export interface CountDistancesArgs extends SelectionArgs {
  /** f32 [lists · summed, 32 · words]: what the query heads' maps give. */
  readonly mapped: BufferSlice;
  /** u32 [heads, capacity, words] */
  readonly signatures: BufferSlice;
  /** Lists that share a head's signatures; 1 where planes have their own. */
  readonly listsPerHead: number;
}

export interface ListSelectedArgs extends SelectionArgs {
  /** u32 [lists, listCapacity]: ascending token indices; what follows the selected ones is left as it is. */
  readonly list: BufferSlice;
  /** At least the number selected, for every length of the context up to `capacity`. */
  readonly listCapacity: number;
}

export interface SelectTokens {
  readonly variant: SelectTokensVariant;
  /** The largest possible distance, plus 1. */
  readonly bins: number;
  /** Writes distances and counts. */
  count(arena: Arena, args: CountDistancesArgs): Dispatch;
  /** Reads them. */
  list(arena: Arena, args: ListSelectedArgs): Dispatch;
  /** A number of chunks that fills the device without making the search for the threshold long. */
  chunksFor(capacity: number, lists: number): number;
}

/** Invocations of a workgroup. */
const threadsOf = { workgroup: 256, subgroup: 256, serial: 4 } as const satisfies Record<
  SelectTokensVariant,
  number
>;

/** Workgroups of all lists together that keep a device busy. */
const targetWorkgroups = { workgroup: 256, subgroup: 256, serial: 16 } as const satisfies Record<
  SelectTokensVariant,
  number
>;

/** Fewest tokens worth a workgroup, and most chunks. */
const leastChunk = 2048;
const mostChunks = 32;

/** 32 runs of at most 32 bins. */
const maxBins = 1024;

const count = {
  bindings: {
    step: 'uniform',
    budget: 'uniform',
    mapped: 'read',
    signatures: 'read',
    counted: 'write',
  },
  uniforms: { capacity: 'u32', chunks: 'u32', countsAt: 'u32', listsPerHead: 'u32', summed: 'u32' },
  constants: ['threads', 'planes', 'words', 'doubling', 'headsPerList', 'fineBins'],
} as const;
const countSources = [stepSource, budgetSource, chunksSource, queryLevels];
export const countKernels = {
  workgroup: defineKernel({
    name: 'select-tokens-count',
    sources: [...countSources, planesSource, distancesSource, prefixSum, countSource],
    ...count,
  }),
  subgroup: defineKernel({
    name: 'select-tokens-count-subgroup',
    sources: [
      ...['enable subgroups;', ...countSources, planesSubgroup, distancesSource],
      ...[prefixSumSubgroup, countSource],
    ],
    ...count,
    constants: [...count.constants, 'subgroups'],
    features: ['subgroups'],
  }),
};

const list = {
  bindings: { step: 'uniform', budget: 'uniform', counted: 'read', list: 'write' },
  uniforms: { capacity: 'u32', countsAt: 'u32', chunks: 'u32', listCapacity: 'u32' },
  constants: ['threads', 'fineBins'],
} as const;
const listSources = [stepSource, budgetSource, chunksSource];
export const listKernels = {
  workgroup: defineKernel({
    name: 'select-tokens-list',
    sources: [...listSources, prefixSum, selectionSource, findSelection, listSource],
    ...list,
  }),
  subgroup: defineKernel({
    name: 'select-tokens-list-subgroup',
    sources: [
      ...['enable subgroups;', ...listSources, prefixSumSubgroup],
      ...[selectionSource, findSelectionSubgroup, listSource],
    ],
    ...list,
    constants: [...list.constants, 'subgroups'],
    features: ['subgroups'],
  }),
};

export async function prepareSelectTokens(gpu: Gpu, shape: SelectTokensShape): Promise<SelectTokens> {
  const { score, summed, words, signatures } = shape;
  const isAsymmetric = score.kind === 'asymmetric';
  const planes = isAsymmetric ? score.queryBits : summed;
  const bins = 32 * words * (isAsymmetric ? 2 ** planes - 1 : planes) + 1;
  invariant(
    planes >= 1 && (!isAsymmetric || planes <= 4),
    `select-tokens: 1 to 4 query bits, or a head and more; got ${JSON.stringify(shape)}`,
  );
  invariant(
    bins <= maxBins,
    `select-tokens takes ${maxBins} distances, ${JSON.stringify(shape)} has ${bins}`,
  );
  const variant = shape.variant ?? gpu.chooseVariant(['workgroup', 'subgroup', 'serial']);
  const threads = threadsOf[variant];
  const kind = variant === 'subgroup' ? 'subgroup' : 'workgroup';
  const headsPerList = signatures === 'own' ? planes : 1;
  const doubling = isAsymmetric ? 1 : 0;
  const constants = { threads, fineBins: fineBinsOf(bins), ...subgroupConstants(gpu, kind, threads) };
  const [counter, lister] = await Promise.all([
    prepareKernel(gpu, countKernels[kind], { ...constants, planes, words, doubling, headsPerList }),
    prepareKernel(gpu, listKernels[kind], constants),
  ]);

  const checked = ({ label, counted, lists, capacity }: SelectionArgs): number => {
    invariant(counted.bins === bins, `${label}: counted in ${counted.bins} bins, prepared for ${bins}`);
    return checkCounted(label, counted, lists, capacity);
  };

  return {
    variant,
    bins,

    count(arena, args) {
      const { label, lists, listsPerHead, capacity, counted } = args;
      const { chunks } = counted;
      invariant(capacity % 4 === 0, `${label}: capacity must be a multiple of 4, got ${capacity}`);
      invariant(
        lists % listsPerHead === 0 && (signatures === 'shared' || listsPerHead === 1),
        `${label}: ${listsPerHead} lists per head do not divide ${lists} lists of ${signatures} signatures`,
      );
      const mappedBytes = lists * summed * words * 128;
      const signatureBytes = ((lists * headsPerList) / listsPerHead) * capacity * words * 4;
      expectBytes(`${label}: mapped`, args.mapped, mappedBytes);
      expectBytes(`${label}: signatures`, args.signatures, signatureBytes);
      return counter.dispatch(arena, {
        label,
        bindings: { ...args, counted: counted.buffer },
        uniforms: { capacity, chunks, countsAt: countsAt(lists, capacity), listsPerHead, summed },
        workgroups: [chunks, listsPerHead, lists / listsPerHead],
        bytes: mappedBytes + signatureBytes + checked(args),
      });
    },

    list(arena, args) {
      const { label, lists, capacity, counted, listCapacity } = args;
      const { chunks } = counted;
      const listBytes = lists * listCapacity * 4;
      expectBytes(`${label}: list`, args.list, listBytes);
      return lister.dispatch(arena, {
        label,
        bindings: { ...args, counted: counted.buffer },
        uniforms: { capacity, countsAt: countsAt(lists, capacity), chunks, listCapacity },
        workgroups: [chunks, lists],
        bytes: listBytes + checked(args),
      });
    },

    chunksFor(capacity, lists) {
      const most = Math.min(targetWorkgroups[variant] / lists, capacity / leastChunk, mostChunks);
      return Math.max(4, Math.floor(most / 4) * 4);
    },
  };
}
