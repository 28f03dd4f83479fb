/** The k cached tokens nearest to each list's query planes, in two dispatches without sorting: how many candidates lie
 *  within each distance, chunk by chunk; then the threshold, and the tokens in ascending order.
 *  What is selected: select-tokens.ref.ts; how: the WGSL files. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import budgetSource from '../shared/budget.wgsl?raw';
import stepSource from '../shared/step.wgsl?raw';
import countSource from './count-distances.wgsl?raw';
import distancesSource from './distances.wgsl?raw';
import listSource from './list-selected.wgsl?raw';
import prefixSum from './prefix-sum.wgsl?raw';
import thresholdSource from './threshold.wgsl?raw';

/** distance = Σ_p 2^{e_p} · popcount(plane p XOR signature) */
export interface SelectTokensShape {
  /** Query planes of a list. */
  readonly planes: number;
  /** u32 words of a signature. */
  readonly words: 1 | 2;
  /** 'doubling': e_p = p; 'equal': e_p = 0. */
  readonly weights: 'doubling' | 'equal';
  /** 'shared': all planes of a list are compared with the signatures of one head, l / listsPerHead for list l;
   *  'own': plane p of list l with those of head l · planes + p. */
  readonly signatures: 'shared' | 'own';
  /** The fastest this device runs, unless told. */
  readonly variant?: SelectTokensVariant;
}

/** `serial` is the same code in workgroups of 4 lanes, because on a CPU a barrier costs in proportion to them. */
export type SelectTokensVariant = 'workgroup' | 'serial';

export interface SelectTokensArgs {
  readonly label: string;
  /** Uniform `Step`: the context has step.position + 1 tokens, the current one included. */
  readonly step: BufferSlice;
  /** Uniform `Budget` */
  readonly budget: BufferSlice;
  /** u32 [lists, planes, words] */
  readonly queryPlanes: BufferSlice;
  /** u32 [heads, capacity, words] */
  readonly signatures: BufferSlice;
  /** u32 of `countsShape`; passes from `count` to `list`. */
  readonly counts: BufferSlice;
  readonly lists: number;
  /** Lists that share a head's signatures; 1 where planes have their own. */
  readonly listsPerHead: number;
  /** A multiple of 4. */
  readonly capacity: number;
  /** Parts that the candidates of a list are cut into, see `chunksFor`. */
  readonly chunks: number;
}

export interface ListSelectedArgs extends SelectTokensArgs {
  /** u32 [lists, listCapacity]: ascending token indices; what follows the selected ones is left as it is. */
  readonly list: BufferSlice;
  /** At least the number selected, for every length of the context up to `capacity`. */
  readonly listCapacity: number;
}

export interface SelectTokens {
  readonly variant: SelectTokensVariant;
  count(arena: Arena, args: SelectTokensArgs): Dispatch;
  list(arena: Arena, args: ListSelectedArgs): Dispatch;
  /** A number of chunks that fills the device without making the search for the threshold long. */
  chunksFor(capacity: number, lists: number): number;
  countsShape(lists: number, chunks: number): readonly number[];
}

/** Lanes of a workgroup. */
const lanesOf = { workgroup: 256, serial: 4 } as const satisfies Record<SelectTokensVariant, number>;

/** Workgroups of all lists together that keep a device busy. */
const targetWorkgroups = { workgroup: 512, serial: 16 } as const satisfies Record<
  SelectTokensVariant,
  number
>;

/** Fewest tokens worth a workgroup. */
const leastChunk = 1024;

/** The histogram takes half of a workgroup's memory at most. */
const maxBins = 2048;

const constants = ['lanes', 'planes', 'words', 'doubling', 'headsPerList', 'bins'];
const bindings = {
  step: 'uniform',
  budget: 'uniform',
  queryPlanes: 'read',
  signatures: 'read',
} as const;
const uniforms = { capacity: 'u32', chunks: 'u32', listsPerHead: 'u32' } as const;

export const countKernel = defineKernel({
  name: 'select-tokens-count',
  sources: [stepSource, budgetSource, distancesSource, prefixSum, countSource],
  bindings: { ...bindings, counts: 'write' },
  uniforms,
  constants,
});

export const listKernel = defineKernel({
  name: 'select-tokens-list',
  sources: [stepSource, budgetSource, distancesSource, prefixSum, thresholdSource, listSource],
  bindings: { ...bindings, counts: 'read', list: 'write' },
  uniforms: { ...uniforms, listCapacity: 'u32' },
  constants,
});

export async function prepareSelectTokens(gpu: Gpu, shape: SelectTokensShape): Promise<SelectTokens> {
  const { planes, words, weights, signatures } = shape;
  const bins = 32 * words * (weights === 'doubling' ? 2 ** planes - 1 : planes) + 1;
  invariant(planes >= 1, `select-tokens needs a query plane, got ${planes}`);
  invariant(
    bins <= maxBins,
    `select-tokens takes ${maxBins} distances, ${JSON.stringify(shape)} has ${bins}`,
  );
  const variant = shape.variant ?? gpu.chooseVariant(['workgroup', 'serial']);
  const values = {
    lanes: lanesOf[variant],
    planes,
    words,
    doubling: weights === 'doubling' ? 1 : 0,
    headsPerList: signatures === 'own' ? planes : 1,
    bins,
  };
  const [counter, lister] = await Promise.all([
    prepareKernel(gpu, countKernel, values),
    prepareKernel(gpu, listKernel, values),
  ]);
  const countsShape = (lists: number, chunks: number): readonly number[] => [lists, bins, chunks];

  /** Checks what both dispatches read; returns the bytes of it. */
  const checked = (args: SelectTokensArgs): number => {
    const { label, lists, listsPerHead, capacity, chunks } = args;
    invariant(capacity % 4 === 0, `${label}: capacity must be a multiple of 4, got ${capacity}`);
    invariant(chunks >= 1, `${label}: at least one chunk, got ${chunks}`);
    invariant(
      lists % listsPerHead === 0 && (signatures === 'shared' || listsPerHead === 1),
      `${label}: ${listsPerHead} lists per head do not divide ${lists} lists of ${signatures} signatures`,
    );
    const planeBytes = lists * planes * words * 4;
    const signatureBytes = ((lists * values.headsPerList) / listsPerHead) * capacity * words * 4;
    const countBytes = lists * bins * chunks * 4;
    expectBytes(`${label}: queryPlanes`, args.queryPlanes, planeBytes);
    expectBytes(`${label}: signatures`, args.signatures, signatureBytes);
    expectBytes(`${label}: counts`, args.counts, countBytes);
    return planeBytes + signatureBytes + countBytes;
  };

  return {
    variant,
    countsShape,

    count(arena, args) {
      const { label, lists, listsPerHead, capacity, chunks } = args;
      return counter.dispatch(arena, {
        label,
        bindings: args,
        uniforms: { capacity, chunks, listsPerHead },
        workgroups: [chunks, lists],
        bytes: checked(args),
      });
    },

    list(arena, args) {
      const { label, lists, listsPerHead, capacity, chunks, listCapacity } = args;
      const listBytes = lists * listCapacity * 4;
      expectBytes(`${label}: list`, args.list, listBytes);
      return lister.dispatch(arena, {
        label,
        bindings: args,
        uniforms: { capacity, chunks, listsPerHead, listCapacity },
        workgroups: [chunks, lists],
        bytes: checked(args) + listBytes,
      });
    },

    chunksFor(capacity, lists) {
      const most = Math.min(targetWorkgroups[variant] / lists, capacity / leastChunk);
      return Math.max(1, Math.floor(most));
    },
  };
}
