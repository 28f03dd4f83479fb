/** The optimiser's step over all parameters of a layer. See train-adam.wgsl. */
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import { type Dispatch, gridOf } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import step from '../shared/train-step.wgsl?raw';
import source from './train-adam.wgsl?raw';

export interface TrainAdamArgs {
  readonly label: string;
  /** Uniform `TrainStep`. */
  readonly train: BufferSlice;
  /** f32 [count] */
  readonly gradients: BufferSlice;
  /** f32 [count, 2] */
  readonly moments: BufferSlice;
  /** f32 [count] */
  readonly parameters: BufferSlice;
  readonly count: number;
}

export type TrainAdam = (arena: Arena, args: TrainAdamArgs) => Dispatch;

export const definition = defineKernel({
  name: 'train-adam',
  sources: [step, source],
  bindings: { train: 'uniform', gradients: 'read', moments: 'write', parameters: 'write' },
  uniforms: { count: 'u32' },
});

export async function prepareTrainAdam(gpu: Gpu): Promise<TrainAdam> {
  const kernel = await prepareKernel(gpu, definition);
  return (arena, { label, train, gradients, moments, parameters, count }) => {
    expectBytes(`${label}: gradients`, gradients, 4 * count);
    expectBytes(`${label}: moments`, moments, 8 * count);
    expectBytes(`${label}: parameters`, parameters, 4 * count);
    return kernel.dispatch(arena, {
      label,
      bindings: { train, gradients, moments, parameters },
      uniforms: { count },
      workgroups: gridOf(Math.ceil(count / 256)),
      bytes: 28 * count,
    });
  };
}

/** What `TrainStep` holds in training step `step`, from 1 on. */
export function packTrainStep(step: number, { beta, rate }: { beta: number; rate: number }) {
  return Float32Array.of(beta, rate, 1 / (1 - 0.9 ** step), 1 / (1 - 0.999 ** step));
}
