/** Attention of a chunk of few rows behind many tokens: too few workgroups of rows to occupy a graphics card, so the keys
 *  are cut into parts, which a second dispatch puts together. See prefill-parts.wgsl. */
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import { type Dispatch, gridOf } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu } from '../runtime/gpu.ts';
import { type BufferSlice, sliceBytes } from '../runtime/tensor.ts';
import stepSource from '../shared/step.wgsl?raw';
import { type AttendPrefillArgs, definitions, describe } from './attend-prefill.ts';
import mergeSource from './attend-prefill-merge.wgsl?raw';
import parts from './prefill-parts.wgsl?raw';

export interface AttendPartsArgs extends AttendPrefillArgs {
  /** Free memory for what parts leave: there are as many as it has room for, and one at least. */
  readonly scratch: BufferSlice;
}

export type AttendParts = (arena: Arena, args: AttendPartsArgs) => Dispatch[];

const whole = definitions.workgroup;
const [, common, , scheme] = whole.sources;
const { out: _, ...inputs } = whole.bindings;

export const partDefinitions = {
  parts: defineKernel({
    name: 'attend-prefill-parts',
    sources: [stepSource, common!, parts, scheme!],
    constants: ['slices'],
    bindings: { ...inputs, partials: 'write' },
    uniforms: whole.uniforms,
  }),
  merge: defineKernel({
    name: 'attend-prefill-merge',
    sources: [stepSource, mergeSource],
    bindings: { step: 'uniform', partials: 'read', out: 'write' },
    uniforms: { heads: 'u32', headDim: 'u32', parts: 'u32' },
  }),
};

/** Rows of the chunk that one workgroup takes. */
const rowsPerWorkgroup = 64;

/** Workgroups that occupy today's graphics cards: four to a multiprocessor of the largest. */
const enoughWorkgroups = 528;

interface PartSizes {
  readonly tokens: number;
  readonly qHeads: number;
  readonly headDim: number;
}

/** @param room bytes for what parts leave */
export function partsFor(sizes: PartSizes, room: number): number {
  const workgroups = Math.ceil(sizes.tokens / rowsPerWorkgroup) * sizes.qHeads;
  return Math.max(1, Math.floor(Math.min(enoughWorkgroups / workgroups, room / partBytes(sizes))));
}

function partBytes({ tokens, qHeads, headDim }: PartSizes): number {
  return 4 * tokens * qHeads * (headDim + 2);
}

/** As `prepareAttendPrefill`, for devices that run workgroups well. */
export async function prepareAttendParts(gpu: Gpu, headDim: number): Promise<AttendParts> {
  const [kernel, merge] = await Promise.all([
    prepareKernel(gpu, partDefinitions.parts, { slices: Math.ceil(headDim / 32) }),
    prepareKernel(gpu, partDefinitions.merge),
  ]);
  return (arena, args) => {
    const { label, step, query, keys, values, out, tokens, qHeads, scratch: partials } = args;
    const sizes = { tokens, qHeads, headDim };
    const parts = partsFor(sizes, sliceBytes(partials));
    expectBytes(`${label}: scratch`, partials, parts * partBytes(sizes));
    return [
      kernel.dispatch(arena, {
        label,
        bindings: { step, query, keys, values, partials },
        ...describe(args, headDim),
        workgroups: [Math.ceil(tokens / rowsPerWorkgroup), qHeads, parts],
      }),
      merge.dispatch(arena, {
        label,
        bindings: { step, partials, out },
        uniforms: { heads: qHeads, headDim, parts },
        workgroups: gridOf(Math.ceil((tokens * qHeads * headDim) / 2 / 64)),
        bytes: parts * partBytes(sizes) + 4 * tokens * qHeads * headDim,
      }),
    ];
  };
}
