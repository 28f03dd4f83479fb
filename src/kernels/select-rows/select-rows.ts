/** The tokens that each of many query rows attends to, as bits: what a decode step at each row would choose, made for
 *  a whole chunk of rows in one dispatch so that text can be evaluated in bulk. See select-rows.wgsl. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import budgetSource from '../shared/budget.wgsl?raw';
import randomSource from '../shared/random-score.wgsl?raw';
import stepSource from '../shared/step.wgsl?raw';
import distanceSource from './key-distance.wgsl?raw';
import massSource from './key-mass.wgsl?raw';
import randomKeySource from './key-random.wgsl?raw';
import source from './select-rows.wgsl?raw';

/** What tokens are ranked by. */
export type RowRanking =
  | {
      readonly kind: 'distance';
      /** u32 [rows, lists, planes, words] */
      readonly queryPlanes: BufferSlice;
      /** u32 [heads, capacity, words] */
      readonly signatures: BufferSlice;
      readonly planes: number;
      readonly words: number;
      /** Plane p weighs 2^p, or all weigh 1. */
      readonly weights: 'doubling' | 'equal';
      /** Plane p of list l is compared with the signatures of head l / listsPerHead, or of head l · planes + p. */
      readonly signaturesOf: 'shared' | 'own';
      readonly listsPerHead: number;
    }
  /** f32 [lists, rows, capacity], not negative; larger is better. */
  | { readonly kind: 'mass'; readonly mass: BufferSlice }
  /** Seed of list 0; list l has seed + l. */
  | { readonly kind: 'random'; readonly seed: number };

export interface SelectRowsArgs {
  readonly label: string;
  /** Uniform `Step`: row r is the query at step.position + r, of a context that it ends. */
  readonly step: BufferSlice;
  /** Uniform `Budget` */
  readonly budget: BufferSlice;
  readonly ranking: RowRanking;
  /** u32 of `maskShape` */
  readonly mask: BufferSlice;
  /** Most rows that step.rows will say: what the mask has room for. */
  readonly rows: number;
  readonly lists: number;
  /** At most 2²² tokens. */
  readonly capacity: number;
}

export type SelectRows = (arena: Arena, args: SelectRowsArgs) => Dispatch;

/** A bit per token, u32 words: the tokens attended to, sink and window included. */
export function maskShape(lists: number, rows: number, capacity: number): readonly number[] {
  return [lists, rows, maskWords(capacity)];
}

export function maskWords(capacity: number): number {
  return Math.ceil(capacity / 32);
}

const common = { step: 'uniform', budget: 'uniform', mask: 'write' } as const;
const room = { rows: 'u32', maskWords: 'u32' } as const;
const constants = ['lanes', 'keyDigits'];

export const selectRowsKernels = {
  distance: defineKernel({
    name: 'select-rows-distance',
    sources: [stepSource, budgetSource, distanceSource, source],
    bindings: { ...common, queryPlanes: 'read', signatures: 'read' },
    uniforms: {
      ...room,
      lists: 'u32',
      listsPerHead: 'u32',
      headsPerList: 'u32',
      planes: 'u32',
      doubling: 'u32',
      words: 'u32',
      capacity: 'u32',
    },
    constants,
  }),
  mass: defineKernel({
    name: 'select-rows-mass',
    sources: [stepSource, budgetSource, massSource, source],
    bindings: { ...common, mass: 'read' },
    uniforms: { ...room, capacity: 'u32' },
    constants,
  }),
  random: defineKernel({
    name: 'select-rows-random',
    sources: [stepSource, budgetSource, randomSource, randomKeySource, source],
    bindings: common,
    uniforms: { ...room, seed: 'u32' },
    constants,
  }),
};

export async function prepareSelectRows(gpu: Gpu): Promise<SelectRows> {
  // on a CPU a barrier costs in proportion to the lanes
  const lanes = gpu.traits.isCpu ? 16 : 256;
  const [distance, mass, random] = await Promise.all([
    prepareKernel(gpu, selectRowsKernels.distance, { lanes, keyDigits: 1 }),
    prepareKernel(gpu, selectRowsKernels.mass, { lanes, keyDigits: 3 }),
    prepareKernel(gpu, selectRowsKernels.random, { lanes, keyDigits: 3 }),
  ]);
  return (arena, { label, step, budget, ranking, mask, rows, lists, capacity }) => {
    invariant(capacity <= 2 ** 22, `${label}: at most 4194304 tokens, got ${capacity}`);
    const maskBytes = lists * rows * maskWords(capacity) * 4;
    expectBytes(`${label}: mask`, mask, maskBytes);
    const own = { rows, maskWords: maskWords(capacity) };
    const bindings = { step, budget, mask };
    const common = { label, workgroups: [rows, lists] as const, bytes: maskBytes };
    switch (ranking.kind) {
      case 'distance': {
        const { queryPlanes, signatures, planes, words, listsPerHead } = ranking;
        const doubling = ranking.weights === 'doubling' ? 1 : 0;
        const most = 32 * words * (doubling ? 2 ** planes - 1 : planes);
        invariant(most < 2048, `${label}: distances must stay below 2048, these reach ${most}`);
        const headsPerList = ranking.signaturesOf === 'own' ? planes : 1;
        expectBytes(`${label}: planes`, queryPlanes, rows * lists * planes * words * 4);
        const heads = (lists * headsPerList) / listsPerHead;
        expectBytes(`${label}: signatures`, signatures, heads * capacity * words * 4);
        return distance.dispatch(arena, {
          ...common,
          bindings: { ...bindings, queryPlanes, signatures },
          uniforms: { ...own, lists, listsPerHead, headsPerList, planes, doubling, words, capacity },
        });
      }
      case 'mass':
        expectBytes(`${label}: mass`, ranking.mass, lists * rows * capacity * 4);
        return mass.dispatch(arena, {
          ...common,
          bindings: { ...bindings, mass: ranking.mass },
          uniforms: { ...own, capacity },
        });
      case 'random':
        return random.dispatch(arena, { ...common, bindings, uniforms: { ...own, seed: ranking.seed } });
      default:
        return ranking satisfies never;
    }
  };
}
