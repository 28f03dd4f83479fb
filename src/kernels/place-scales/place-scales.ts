/** Interleaves a quantised checkpoint's scales and biases, which lie apart in its files, into pairs; see the WGSL. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import { type Dispatch, gridOf } from '../runtime/dispatch.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice, Tensor } from '../runtime/tensor.ts';
import half from '../shared/half.wgsl?raw';
import placeF16 from './place-scales-f16.wgsl?raw';

// pairs of halves are what the page's own model has: the others are fetched where they occur
const placeF32 = () => import('./place-scales-f32.wgsl?raw');

const bindings = { source: 'read', pairs: 'write', report: 'write' } as const;
const uniforms = {
  firstGroup: 'u32',
  groups: 'u32',
  slot: 'u32',
  firstSource: 'u32',
  reportIndex: 'u32',
} as const;

export const definitions = {
  'f16 f16': defineKernel({ name: 'place-scales-f16', sources: [placeF16], bindings, uniforms }),
  'f16 f32': defineKernel({
    name: 'place-scales-f16-as-f32',
    sources: [half, () => import('../shared/source-f16.wgsl?raw'), placeF32],
    bindings,
    uniforms,
  }),
  'f32 f32': defineKernel({
    name: 'place-scales-f32',
    sources: [half, () => import('../shared/source-f32.wgsl?raw'), placeF32],
    bindings,
    uniforms,
  }),
  'bf16 f32': defineKernel({
    name: 'place-scales-bf16',
    sources: [half, () => import('../shared/source-bf16.wgsl?raw'), placeF32],
    bindings,
    uniforms,
  }),
} as const;

/** Source type and kind of pair: F16 becomes f16 pairs where scales and biases both are F16; otherwise f32 pairs,
 *  because f16 could not hold F32 and BF16 exactly. */
export type ScalePlacement = keyof typeof definitions;

export interface PlaceScalesArgs {
  readonly label: string;
  /** Scales or biases of the source type, packed; those from `firstSource` on are read. */
  readonly source: BufferSlice;
  readonly firstSource: number;
  /** Pairs of a matrix part. */
  readonly pairs: BufferSlice;
  readonly firstGroup: number;
  readonly groups: number;
  readonly slot: 'scale' | 'bias';
  /** u32 [any]: word `reportIndex` may gain `loadReport.notFinite`. */
  readonly report: Tensor;
  readonly reportIndex: number;
}

export type PlaceScales = (arena: Arena, args: PlaceScalesArgs) => Dispatch;

export async function preparePlaceScales(gpu: Gpu, placement: ScalePlacement): Promise<PlaceScales> {
  const kernel = await prepareKernel(gpu, definitions[placement]);
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
