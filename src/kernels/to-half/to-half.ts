/** Conversion of F32 or BF16 weights to f16 on the GPU while a checkpoint streams in; see to-half.wgsl. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, type KernelDefinition, prepareKernel } from '../runtime/define-kernel.ts';
import { type Dispatch, gridOf } from '../runtime/dispatch.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice, Tensor } from '../runtime/tensor.ts';
import half from '../shared/half.wgsl?raw';
import sourceBf16 from '../shared/source-bf16.wgsl?raw';
import sourceF32 from '../shared/source-f32.wgsl?raw';
import toHalf from './to-half.wgsl?raw';

const bindings = { source: 'read', out: 'write', report: 'write' } as const;
const uniforms = { firstSource: 'u32', firstWord: 'u32', words: 'u32', reportIndex: 'u32' } as const;

const definitionFor = (name: string, source: string): KernelDefinition<typeof bindings, typeof uniforms> =>
  defineKernel({ name, sources: [half, source, toHalf], bindings, uniforms });

export const definitions = {
  f32: definitionFor('to-half-f32', sourceF32),
  bf16: definitionFor('to-half-bf16', sourceBf16),
} as const;

export interface ToHalfArgs {
  readonly label: string;
  /** Elements of the source type, packed; 2 · words of them are read from `firstSource` on. */
  readonly source: BufferSlice;
  readonly firstSource: number;
  /** Halves, two to a word; written from `firstWord` on. */
  readonly out: BufferSlice;
  readonly firstWord: number;
  readonly words: number;
  /** u32 [any]: word `reportIndex` gains bits of `loadReport`. */
  readonly report: Tensor;
  readonly reportIndex: number;
}

export type ToHalf = (arena: Arena, args: ToHalfArgs) => Dispatch;

export async function prepareToHalf(gpu: Gpu, source: 'f32' | 'bf16'): Promise<ToHalf> {
  const kernel = await prepareKernel(gpu, definitions[source]);
  return (arena, args) => {
    invariant(args.words > 0, `${args.label}: nothing to convert`);
    return kernel.dispatch(arena, {
      label: args.label,
      bindings: { source: args.source, out: args.out, report: args.report },
      uniforms: {
        firstSource: args.firstSource,
        firstWord: args.firstWord,
        words: args.words,
        reportIndex: args.reportIndex,
      },
      workgroups: gridOf(Math.ceil(args.words / 64)),
      bytes: args.words * (source === 'f32' ? 12 : 8),
    });
  };
}
