/** Attention of a chunk of rows, each to the tokens that its mask has, with the rest as one more token or not: what
 *  sparse decoding would do at each row. See attend-rows.wgsl. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import budgetSource from '../shared/budget.wgsl?raw';
import stepSource from '../shared/step.wgsl?raw';
import source from './attend-rows.wgsl?raw';
import { type RowArgs, rowBindings, rowDispatch, rowUniforms } from './row-dispatch.ts';
import tiles from './row-tiles.wgsl?raw';
import octets from './score-octets.wgsl?raw';
import words from './score-words.wgsl?raw';

export interface AttendRowsArgs extends RowArgs {
  /** f32 [kvHeads, room, 2, headDim] and [kvHeads, ⌊capacity / 64⌋ + 1, 2, headDim], of row-sums; read only with a tail. */
  readonly sums: BufferSlice;
  readonly blocksBefore: BufferSlice;
  /** Uniform `Budget`; read only with a tail of blocks. */
  readonly budget: BufferSlice;
  readonly tail: RowTail;
}

/** How the tokens left out enter the softmax. */
export type RowTail =
  | { readonly kind: 'none' }
  /** As one: their mean key and value, weight log(count). */
  | { readonly kind: 'mean' }
  /** Each block of `tokens`, a multiple of 64, as one: the mean key and value of all its tokens, weight log(candidates in
   *  it · share of all candidates that is not selected). */
  | { readonly kind: 'blocks'; readonly tokens: number };

export type AttendRows = (arena: Arena, args: AttendRowsArgs) => Dispatch;

const shared = {
  bindings: { ...rowBindings, sums: 'read', blocksBefore: 'read', budget: 'uniform' },
  uniforms: { ...rowUniforms, tail: 'u32', block: 'u32', blocks: 'u32', scale: 'f32' },
  constants: ['lanes'],
} as const;

export const attendRowsKernels = {
  octets: defineKernel({
    name: 'attend-rows-octets',
    sources: [stepSource, budgetSource, octets, tiles, source],
    ...shared,
  }),
  words: defineKernel({
    name: 'attend-rows-words',
    sources: [stepSource, budgetSource, words, tiles, source],
    ...shared,
  }),
};

/** As in the WGSL. */
const tailKinds: readonly RowTail['kind'][] = ['none', 'mean', 'blocks'];

/** Prepares attention for one head size, even and at most 256.
 *  lanes: of a workgroup, a power of two from 16 to 128, at least headDim / 2; what is fast unless told. */
export async function prepareAttendRows(
  gpu: Gpu,
  headDim: number,
  { lanes = lanesFor(gpu, headDim) }: { readonly lanes?: number } = {},
): Promise<AttendRows> {
  invariant(headDim % 2 === 0 && headDim <= 2 * lanes, `attend-rows: head size ${headDim}, ${lanes} lanes`);
  const kernel = await prepareKernel(gpu, attendRowsKernels[headDim % 8 === 0 ? 'octets' : 'words'], {
    lanes,
  });
  return (arena, args) => {
    const { label, room, kvHeads, capacity, tail } = args;
    const shared = rowDispatch(args, headDim);
    const blocks = Math.floor(capacity / 64) + 1;
    const block = tail.kind === 'blocks' ? tail.tokens : 64;
    invariant(block > 0 && block % 64 === 0, `${label}: blocks of ${block} tokens are no multiple of 64`);
    if (tail.kind !== 'none') {
      expectBytes(`${label}: sums`, args.sums, kvHeads * room * 2 * headDim * 4);
      expectBytes(`${label}: blocksBefore`, args.blocksBefore, kvHeads * blocks * 2 * headDim * 4);
    }
    return kernel.dispatch(arena, {
      ...{ label, bindings: args, ...shared },
      uniforms: { ...shared.uniforms, tail: tailKinds.indexOf(tail.kind), block, blocks },
    });
  };
}

/** On a CPU a barrier costs in proportion to the lanes. */
export function lanesFor(gpu: Gpu, headDim: number): number {
  if (!gpu.traits.isCpu) return 128;
  return Math.max(16, 2 ** Math.ceil(Math.log2(headDim / 2)));
}
