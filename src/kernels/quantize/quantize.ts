/** Affine quantisation on the GPU, 32 weights to a group, while a checkpoint streams in; see quantize.wgsl. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, type KernelDefinition, prepareKernel } from '../runtime/define-kernel.ts';
import { type Dispatch, gridOf } from '../runtime/dispatch.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice, Tensor } from '../runtime/tensor.ts';
import half from '../shared/half.wgsl?raw';
import sourceBf16 from '../shared/source-bf16.wgsl?raw';
import sourceF16 from '../shared/source-f16.wgsl?raw';
import sourceF32 from '../shared/source-f32.wgsl?raw';
import quantize from './quantize.wgsl?raw';

export type FloatType = 'f32' | 'f16' | 'bf16';

const bindings = { source: 'read', weights: 'write', scales: 'write', report: 'write' } as const;
const uniforms = { firstSource: 'u32', firstGroup: 'u32', groups: 'u32', reportIndex: 'u32' } as const;

const definitionFor = (name: string, source: string): KernelDefinition<typeof bindings, typeof uniforms> =>
  defineKernel({ name, sources: [half, source, quantize], bindings, uniforms, constants: ['bits'] });

export const definitions = {
  f32: definitionFor('quantize-f32', sourceF32),
  f16: definitionFor('quantize-f16', sourceF16),
  bf16: definitionFor('quantize-bf16', sourceBf16),
} as const;

export interface QuantizeArgs {
  readonly label: string;
  /** Elements of the source type, packed; those from `firstSource` on are read, 32 to a group. */
  readonly source: BufferSlice;
  readonly firstSource: number;
  /** Packed weights and f16 pairs of a matrix part with groups of 32. */
  readonly weights: BufferSlice;
  readonly scales: BufferSlice;
  /** Where the first group goes, counted over the whole part. */
  readonly firstGroup: number;
  readonly groups: number;
  /** u32 [any]: word `reportIndex` gains bits of `loadReport`. */
  readonly report: Tensor;
  readonly reportIndex: number;
}

export type Quantize = (arena: Arena, args: QuantizeArgs) => Dispatch;

/** Compiles quantisation from `source` to `bits` per weight. */
export async function prepareQuantize(gpu: Gpu, source: FloatType, bits: 4 | 8): Promise<Quantize> {
  const kernel = await prepareKernel(gpu, definitions[source], { bits });
  return (arena, args) => {
    invariant(args.groups > 0, `${args.label}: nothing to quantise`);
    return kernel.dispatch(arena, {
      label: args.label,
      bindings: { source: args.source, weights: args.weights, scales: args.scales, report: args.report },
      uniforms: {
        firstSource: args.firstSource,
        firstGroup: args.firstGroup,
        groups: args.groups,
        reportIndex: args.reportIndex,
      },
      workgroups: gridOf(Math.ceil(args.groups / 64)),
      bytes: args.groups * (32 * (source === 'f32' ? 4 : 2) + 4 * bits + 4),
    });
  };
}
