/** Attention of a chunk of rows, each to the tokens that its mask has, with one of several accounts of the rest: to find
 *  out by experiment what an account gives. Each token's key is read up to three times. See attend-proxies.wgsl. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu } from '../runtime/gpu.ts';
import budgetSource from '../shared/budget.wgsl?raw';
import stepSource from '../shared/step.wgsl?raw';
import source from './attend-proxies.wgsl?raw';
import { type AttendRowsArgs, headsTogether, lanesFor } from './attend-rows.ts';
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

export interface AttendProxiesArgs extends Omit<AttendRowsArgs, 'sums' | 'blocksBefore' | 'tail'> {
  readonly proxy: TailProxy;
}

export type AttendProxies = (arena: Arena, args: AttendProxiesArgs) => Dispatch;

const shared = {
  bindings: {
    step: 'uniform',
    query: 'read',
    keys: 'read',
    values: 'read',
    mask: 'read',
    out: 'write',
    budget: 'uniform',
  },
  uniforms: {
    qHeads: 'u32',
    group: 'u32',
    listHeads: 'u32',
    headDim: 'u32',
    capacity: 'u32',
    room: 'u32',
    maskWords: 'u32',
    kind: 'u32',
    block: 'u32',
    over: 'u32',
    estimated: 'u32',
    scale: 'f32',
  },
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
    const { label, room, count, lists, qHeads, kvHeads, capacity, proxy } = args;
    invariant(lists === kvHeads || lists === qHeads, `${label}: ${lists} lists for ${qHeads} query heads`);
    const block = proxy.block ?? 2 ** 30;
    invariant(block % lanes === 0, `${label}: blocks of ${block} tokens are no multiple of ${lanes}`);
    const maskWords = Math.ceil(capacity / 32);
    const listHeads = qHeads / lists;
    expectBytes(`${label}: mask`, args.mask, lists * room * maskWords * 4);
    return kernel.dispatch(arena, {
      label,
      bindings: args,
      uniforms: {
        ...{ qHeads, group: qHeads / kvHeads, listHeads, headDim, capacity, room, maskWords, block },
        kind: proxyKinds.indexOf(proxy.kind),
        over: proxyRanges.indexOf(proxy.over),
        estimated: proxy.estimated ? 1 : 0,
        scale: Math.LOG2E / Math.sqrt(headDim),
      },
      workgroups: [count, lists, Math.ceil(listHeads / headsTogether)],
      bytes: count * (qHeads * headDim * 8 + lists * maskWords * 4),
    });
  };
}
