/** Looks for infinities and NaN among weights that are kept as they are; see check-finite.wgsl. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import { type Dispatch, gridOf } from '../runtime/dispatch.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice, Tensor } from '../runtime/tensor.ts';
import checkFinite from './check-finite.wgsl?raw';

export const definition = defineKernel({
  name: 'check-finite',
  sources: [checkFinite],
  bindings: { values: 'read', report: 'write' },
  uniforms: { firstWord: 'u32', words: 'u32', lowMask: 'u32', highMask: 'u32', reportIndex: 'u32' },
});

/** Exponent bits of the one or two values in a word. */
const masks = {
  f32: { lowMask: 0x7f800000, highMask: 0x7f800000 },
  f16: { lowMask: 0x00007c00, highMask: 0x7c000000 },
  bf16: { lowMask: 0x00007f80, highMask: 0x7f800000 },
} as const;

export interface CheckFiniteArgs {
  readonly label: string;
  readonly type: keyof typeof masks;
  readonly values: BufferSlice;
  readonly firstWord: number;
  readonly words: number;
  /** u32 [any]: word `reportIndex` may gain `loadReport.notFinite`. */
  readonly report: Tensor;
  readonly reportIndex: number;
}

export type CheckFinite = (arena: Arena, args: CheckFiniteArgs) => Dispatch;

export async function prepareCheckFinite(gpu: Gpu): Promise<CheckFinite> {
  const kernel = await prepareKernel(gpu, definition);
  return (arena, args) => {
    invariant(args.words > 0, `${args.label}: nothing to check`);
    return kernel.dispatch(arena, {
      label: args.label,
      bindings: { values: args.values, report: args.report },
      uniforms: {
        firstWord: args.firstWord,
        words: args.words,
        ...masks[args.type],
        reportIndex: args.reportIndex,
      },
      workgroups: gridOf(Math.ceil(args.words / 64)),
      bytes: args.words * 4,
    });
  };
}
