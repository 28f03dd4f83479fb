/** Attention of a chunk of rows, each to the tokens that its mask has, with one of several accounts of the rest: to find
 *  out by experiment what an account gives. Each token's key is read up to three times. See attend-proxies.wgsl. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import budgetSource from '../shared/budget.wgsl?raw';
import stepSource from '../shared/step.wgsl?raw';
import source from './attend-proxies.wgsl?raw';
import { lanesFor } from './attend-rows.ts';
import { type RowArgs, rowBindings, rowDispatch, rowUniforms } from './row-dispatch.ts';
import tiles from './row-tiles.wgsl?raw';
import octets from './score-octets.wgsl?raw';
import words from './score-words.wgsl?raw';

/** What a block's tokens that are not attended to weigh, as in the WGSL. */
export const proxyKinds = ['mean', 'spread', 'linear', 'mass'] as const;
/** What is averaged over: the rest, the candidates, or all tokens of the block. */
export const proxyRanges = ['rest', 'candidates', 'block'] as const;

export interface TailProxy {
  readonly kind: (typeof proxyKinds)[number];
  /** Tokens of a block, a multiple of 128; null: one block of all. */
  readonly block: number | null;
  readonly over: (typeof proxyRanges)[number];
  /** How many a block's rest are is estimated from how many are selected of all; else they are counted. */
  readonly estimated: boolean;
}

export interface AttendProxiesArgs extends RowArgs {
  /** Uniform `Budget`. */
  readonly budget: BufferSlice;
  readonly proxy: TailProxy;
}

export type AttendProxies = (arena: Arena, args: AttendProxiesArgs) => Dispatch;

const shared = {
  bindings: { ...rowBindings, budget: 'uniform' },
  uniforms: { ...rowUniforms, kind: 'u32', block: 'u32', over: 'u32', estimated: 'u32', scale: 'f32' },
  constants: ['lanes'],
} as const;

export const attendProxiesKernels = {
  octets: defineKernel({
    name: 'attend-proxies-octets',
    sources: [stepSource, budgetSource, octets, tiles, source],
    ...shared,
  }),
  words: defineKernel({
    name: 'attend-proxies-words',
    sources: [stepSource, budgetSource, words, tiles, source],
    ...shared,
  }),
};

/** As `prepareAttendRows`. */
export async function prepareAttendProxies(
  gpu: Gpu,
  headDim: number,
  {
    lanes = gpu.traits.isCpu ? lanesFor(gpu, headDim) : headDim > 128 ? 128 : 64,
  }: { readonly lanes?: number } = {},
): Promise<AttendProxies> {
  invariant(
    headDim % 2 === 0 && headDim <= 2 * lanes,
    `attend-proxies: head size ${headDim}, ${lanes} lanes`,
  );
  const kernel = await prepareKernel(gpu, attendProxiesKernels[headDim % 8 === 0 ? 'octets' : 'words'], {
    lanes,
  });
  return (arena, args) => {
    const { label, proxy } = args;
    const block = proxy.block ?? 2 ** 30;
    invariant(block % lanes === 0, `${label}: blocks of ${block} tokens are no multiple of ${lanes}`);
    const shared = rowDispatch(args, headDim);
    return kernel.dispatch(arena, {
      ...{ label, bindings: args, ...shared },
      uniforms: {
        ...{ ...shared.uniforms, block },
        kind: proxyKinds.indexOf(proxy.kind),
        over: proxyRanges.indexOf(proxy.over),
        estimated: proxy.estimated ? 1 : 0,
      },
    });
  };
}
