/** What the kernels of attention row by row share: what they bind and are told first, and how rows lie over workgroups. */
import { invariant } from '../../errors.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { BufferSlice } from '../runtime/tensor.ts';

export interface RowArgs {
  readonly label: string;
  /** Uniform `Step`: row r is the query at step.position + r. */
  readonly step: BufferSlice;
  /** f32 [rows, qHeads, headDim] */
  readonly query: BufferSlice;
  /** Packed f16 [kvHeads, capacity, headDim] */
  readonly keys: BufferSlice;
  readonly values: BufferSlice;
  /** u32 [lists, room, ⌈capacity / 32⌉]: a bit per token, none after the row's own, one at least. */
  readonly mask: BufferSlice;
  /** f32 [rows, qHeads, headDim] */
  readonly out: BufferSlice;
  /** Rows that the mask has room for, and most that step.rows will say. */
  readonly room: number;
  readonly count: number;
  /** kvHeads or qHeads. */
  readonly lists: number;
  readonly qHeads: number;
  readonly kvHeads: number;
  readonly capacity: number;
}

/** As row-tiles.wgsl declares them. */
export const rowBindings = {
  step: 'uniform',
  query: 'read',
  keys: 'read',
  values: 'read',
  mask: 'read',
  out: 'write',
} as const;

/** The first fields of struct Dims. */
export const rowUniforms = {
  qHeads: 'u32',
  group: 'u32',
  listHeads: 'u32',
  headDim: 'u32',
  capacity: 'u32',
  room: 'u32',
  maskWords: 'u32',
} as const;

/** Query heads that a workgroup takes together. */
const headsTogether = 4;

/** What a dispatch of any of the kernels is given. Refuses a mask that is too small. */
export function rowDispatch(args: RowArgs, headDim: number) {
  const { label, room, count, lists, qHeads, kvHeads, capacity } = args;
  invariant(lists === kvHeads || lists === qHeads, `${label}: ${lists} lists for ${qHeads} query heads`);
  const maskWords = Math.ceil(capacity / 32);
  const listHeads = qHeads / lists;
  expectBytes(`${label}: mask`, args.mask, lists * room * maskWords * 4);
  return {
    uniforms: {
      ...{ qHeads, group: qHeads / kvHeads, listHeads, headDim, capacity, room, maskWords },
      scale: Math.LOG2E / Math.sqrt(headDim),
    },
    workgroups: [count, lists, Math.ceil(listHeads / headsTogether)] as const,
    bytes: count * (qHeads * headDim * 8 + lists * maskWords * 4),
  };
}
