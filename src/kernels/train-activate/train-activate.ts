/** SiLU between the stages of a map, tanh(β · x) in place of the sign after the last, and the slopes of both. See
 *  train-activate.wgsl and train-activate-backward.wgsl. */
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import { type Dispatch, gridOf } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import step from '../shared/train-step.wgsl?raw';
import functions from './functions.wgsl?raw';
import source from './train-activate.wgsl?raw';
import backwardSource from './train-activate-backward.wgsl?raw';

/** 'sign': 1 where x > 0, else −1. */
export type Activation = 'silu' | 'tanh' | 'sign';

export interface ActivateArgs {
  readonly label: string;
  readonly kind: Activation;
  /** Uniform `TrainStep`. */
  readonly train: BufferSlice;
  /** f32 [count] */
  readonly values: BufferSlice;
  readonly out: BufferSlice;
  readonly count: number;
}

export interface ActivateBackwardArgs extends Omit<ActivateArgs, 'kind' | 'count'> {
  readonly kind: 'silu' | 'tanh';
  /** values, out: f32 [outer, terms, inner]; slopes: f32 [outer, inner]. `out` is neither input. */
  readonly slopes: BufferSlice;
  readonly outer: number;
  readonly terms: number;
  readonly inner: number;
}

export interface TrainActivate {
  forward(arena: Arena, args: ActivateArgs): Dispatch;
  backward(arena: Arena, args: ActivateBackwardArgs): Dispatch;
}

export const definitions = {
  forward: defineKernel({
    name: 'train-activate',
    sources: [step, functions, source],
    bindings: { train: 'uniform', values: 'read', out: 'write' },
    uniforms: { count: 'u32', kind: 'u32' },
  }),
  backward: defineKernel({
    name: 'train-activate-backward',
    sources: [step, functions, backwardSource],
    bindings: { train: 'uniform', values: 'read', slopes: 'read', out: 'write' },
    uniforms: { count: 'u32', kind: 'u32', terms: 'u32', inner: 'u32' },
  }),
};

const kinds = { silu: 0, tanh: 1, sign: 2 } as const satisfies Record<Activation, number>;

export async function prepareTrainActivate(gpu: Gpu): Promise<TrainActivate> {
  const [forward, backward] = await Promise.all([
    prepareKernel(gpu, definitions.forward),
    prepareKernel(gpu, definitions.backward),
  ]);
  return {
    forward: (arena, { label, kind, train, values, out, count }) => {
      expectBytes(`${label}: values`, values, 4 * count);
      expectBytes(`${label}: out`, out, 4 * count);
      return forward.dispatch(arena, {
        label,
        bindings: { train, values, out },
        uniforms: { count, kind: kinds[kind] },
        workgroups: gridOf(Math.ceil(count / 256)),
        bytes: 8 * count,
      });
    },
    backward: (arena, { label, kind, train, values, slopes, out, outer, terms, inner }) => {
      const count = outer * terms * inner;
      expectBytes(`${label}: values`, values, 4 * count);
      expectBytes(`${label}: slopes`, slopes, 4 * outer * inner);
      expectBytes(`${label}: out`, out, 4 * count);
      return backward.dispatch(arena, {
        label,
        bindings: { train, values, slopes, out },
        uniforms: { count, kind: kinds[kind], terms, inner },
        workgroups: gridOf(Math.ceil(count / 256)),
        bytes: 12 * count,
      });
    },
  };
}
