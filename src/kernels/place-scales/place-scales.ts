/** Interleaves a quantised checkpoint's scales and biases, which lie apart in its files, into pairs; see the WGSL. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import { type Dispatch, gridOf } from '../runtime/dispatch.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice, Tensor } from '../runtime/tensor.ts';
import half from '../shared/half.wgsl?raw';
import sourceBf16 from '../shared/source-bf16.wgsl?raw';
import sourceF32 from '../shared/source-f32.wgsl?raw';
import placeF16 from './place-scales-f16.wgsl?raw';
import placeF32 from './place-scales-f32.wgsl?raw';

const bindings = { source: 'read', pairs: 'write', report: 'write' } as const;
const uniforms = {
  firstGroup: 'u32',
  groups: 'u32',
  slot: 'u32',
  firstSource: 'u32',
  reportIndex: 'u32',
} as const;

const definitions = {
  f16: defineKernel({ name: 'place-scales-f16', sources: [placeF16], bindings, uniforms }),
  f32: defineKernel({ name: 'place-scales-f32', sources: [half, sourceF32, placeF32], bindings, uniforms }),
  bf16: defineKernel({
    name: 'place-scales-bf16',
    sources: [half, sourceBf16, placeF32],
    bindings,
    uniforms,
  }),
} as const;

export interface PlaceScalesArgs {
  readonly label: string;
  /** Scales or biases of the source type, packed; those from `firstSource` on are read. */
  readonly source: BufferSlice;
  readonly firstSource: number;
  /** Pairs of a matrix part: f16 pairs from F16, f32 pairs from F32 and BF16, which f16 could not hold exactly. */
  readonly pairs: BufferSlice;
  readonly firstGroup: number;
  readonly groups: number;
  readonly slot: 'scale' | 'bias';
  /** u32 [any]: word `reportIndex` may gain `loadReport.notFinite`. */
  readonly report: Tensor;
  readonly reportIndex: number;
}

export type PlaceScales = (arena: Arena, args: PlaceScalesArgs) => Dispatch;

export async function preparePlaceScales(gpu: Gpu, source: keyof typeof definitions): Promise<PlaceScales> {
  const kernel = await prepareKernel(gpu, definitions[source]);
  return (arena, args) => {
    invariant(args.groups > 0, `${args.label}: no groups to place`);
    return kernel.dispatch(arena, {
      label: args.label,
      bindings: { source: args.source, pairs: args.pairs, report: args.report },
      uniforms: {
        firstGroup: args.firstGroup,
        groups: args.groups,
        slot: args.slot === 'scale' ? 0 : 1,
        firstSource: args.firstSource,
        reportIndex: args.reportIndex,
      },
      workgroups: gridOf(Math.ceil(args.groups / 64)),
      bytes: args.groups * 8,
    });
  };
}
