/** The k cached tokens with the largest scores, for policies that are there to compare with: scores are the weights of
 *  dense attention, or random. What is selected: select-scores.ref.ts; how: select-scores.wgsl. */
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import budgetSource from '../shared/budget.wgsl?raw';
import randomScore from '../shared/random-score.wgsl?raw';
import stepSource from '../shared/step.wgsl?raw';
import keyOfWeights from './key-of-weights.wgsl?raw';
import keyRandom from './key-random.wgsl?raw';
import source from './select-scores.wgsl?raw';

/** `serial` is the same code in workgroups of 4 lanes, because on a CPU a barrier costs in proportion to them. */
export type SelectScoresVariant = 'workgroup' | 'serial';

const lanesOf = { workgroup: 256, serial: 4 } as const satisfies Record<SelectScoresVariant, number>;

export interface SelectScoresArgs {
  readonly label: string;
  /** Uniform `Step`: the context has step.position + 1 tokens, the current one included. */
  readonly step: BufferSlice;
  /** Uniform `Budget` */
  readonly budget: BufferSlice;
  /** u32 [lists, listCapacity]: ascending token indices; what follows the selected ones is left as it is. */
  readonly list: BufferSlice;
  readonly lists: number;
  /** At least the number selected, for every length of the context up to `capacity`. */
  readonly listCapacity: number;
}

export interface SelectHeaviestArgs extends SelectScoresArgs {
  /** f32 [lists · group, capacity], not negative: a token's score is the sum over the list's `group` rows. */
  readonly weights: BufferSlice;
  readonly group: number;
  readonly capacity: number;
}

export interface SelectRandomArgs extends SelectScoresArgs {
  /** u32, of the first list; list l has seed + l. */
  readonly seed: number;
}

const bindings = { step: 'uniform', budget: 'uniform', list: 'write' } as const;
const constants = ['lanes'];

export const heaviestKernel = defineKernel({
  name: 'select-heaviest',
  sources: [stepSource, budgetSource, keyOfWeights, source],
  bindings: { ...bindings, weights: 'read' },
  uniforms: { listCapacity: 'u32', capacity: 'u32', group: 'u32' },
  constants,
});

export const randomKernel = defineKernel({
  name: 'select-random',
  sources: [stepSource, budgetSource, randomScore, keyRandom, source],
  bindings,
  uniforms: { listCapacity: 'u32', seed: 'u32' },
  constants,
});

export type SelectHeaviest = (arena: Arena, args: SelectHeaviestArgs) => Dispatch;
export type SelectRandom = (arena: Arena, args: SelectRandomArgs) => Dispatch;

/** @param variant the faster one on this device, unless told */
export async function prepareSelectHeaviest(
  gpu: Gpu,
  variant: SelectScoresVariant = gpu.chooseVariant(['workgroup', 'serial']),
): Promise<SelectHeaviest> {
  const kernel = await prepareKernel(gpu, heaviestKernel, { lanes: lanesOf[variant] });
  return (arena, args) => {
    const { label, weights, lists, group, capacity, listCapacity } = args;
    const weightBytes = lists * group * capacity * 4;
    checkList(args);
    expectBytes(`${label}: weights`, weights, weightBytes);
    return kernel.dispatch(arena, {
      label,
      bindings: args,
      uniforms: { listCapacity, capacity, group },
      workgroups: [lists],
      bytes: weightBytes,
    });
  };
}

/** @param variant the faster one on this device, unless told */
export async function prepareSelectRandom(
  gpu: Gpu,
  variant: SelectScoresVariant = gpu.chooseVariant(['workgroup', 'serial']),
): Promise<SelectRandom> {
  const kernel = await prepareKernel(gpu, randomKernel, { lanes: lanesOf[variant] });
  return (arena, args) => {
    const { label, lists, listCapacity, seed } = args;
    checkList(args);
    return kernel.dispatch(arena, {
      label,
      bindings: args,
      uniforms: { listCapacity, seed },
      workgroups: [lists],
    });
  };
}

function checkList({ label, list, lists, listCapacity }: SelectScoresArgs): void {
  expectBytes(`${label}: list`, list, lists * listCapacity * 4);
}
