/** Causal attention of a chunk of prompt tokens over the whole cache; see attend-prefill.wgsl. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import stepSource from '../shared/step.wgsl?raw';
import common from './attend-prefill.wgsl?raw';
import workgroup from './attend-prefill-workgroup.wgsl?raw';
import whole from './prefill-whole.wgsl?raw';

export interface AttendPrefillArgs {
  readonly label: string;
  /** Uniform {position, rows, index, flags}, u32 each: position of the chunk's first row, rows in the chunk. */
  readonly step: BufferSlice;
  /** f32 [tokens, queryStride], rotated; query head h at column h · headDim. */
  readonly query: BufferSlice;
  /** Floats between rows of query, even. */
  readonly queryStride: number;
  /** Packed f16 [kvHeads, capacity, headDim]; the chunk's own keys and values are already there. */
  readonly keys: BufferSlice;
  readonly values: BufferSlice;
  readonly capacity: number;
  /** f32 [tokens, qHeads · headDim]; not `query`. */
  readonly out: BufferSlice;
  /** Most rows a chunk may have: what the grid is made for. */
  readonly tokens: number;
  readonly qHeads: number;
  readonly kvHeads: number;
}

export type AttendPrefill = (arena: Arena, args: AttendPrefillArgs) => Dispatch;
/** 'serial' needs the subgroups feature. */
export type AttendPrefillVariant = 'workgroup' | 'serial';

const interfaceOf = {
  bindings: { step: 'uniform', query: 'read', keys: 'read', values: 'read', out: 'write' },
  uniforms: {
    queryStride: 'u32',
    outStride: 'u32',
    headDim: 'u32',
    group: 'u32',
    capacity: 'u32',
    scale: 'f32',
  },
} as const;

/** Rows of the chunk that one workgroup takes. */
const rowsPerWorkgroup = { workgroup: 64, serial: 16 };

export const definitions = {
  workgroup: defineKernel({
    name: 'attend-prefill-workgroup',
    sources: [stepSource, common, whole, workgroup],
    constants: ['slices'],
    ...interfaceOf,
  }),
  serial: defineKernel({
    name: 'attend-prefill-serial',
    sources: [
      ...['enable subgroups;', stepSource, common, whole],
      () => import('../shared/quad.wgsl?raw'),
      () => import('./attend-prefill-serial.wgsl?raw'),
    ],
    features: ['subgroups'],
    ...interfaceOf,
  }),
};

/** Prepares attention for one head size: even, at most 256. Scores are scaled by 1 / √headDim. */
export async function prepareAttendPrefill(
  gpu: Gpu,
  headDim: number,
  options: { readonly variant?: AttendPrefillVariant } = {},
): Promise<AttendPrefill> {
  invariant(
    headDim % 2 === 0 && headDim <= 256,
    `attend-prefill: head size ${headDim} is not even or above 256`,
  );
  const variant = options.variant ?? gpu.chooseVariant(['serial']);
  const constants = variant === 'workgroup' ? { slices: Math.ceil(headDim / 32) } : {};
  const kernel = await prepareKernel(gpu, definitions[variant], constants);
  return (arena, args) => {
    const { label, step, query, keys, values, out, tokens, qHeads } = args;
    return kernel.dispatch(arena, {
      label,
      bindings: { step, query, keys, values, out },
      ...describe(args, headDim),
      workgroups: [Math.ceil(tokens / rowsPerWorkgroup[variant]), qHeads],
    });
  };
}

/** Uniforms and bytes of a chunk's attention. */
export function describe(args: AttendPrefillArgs, headDim: number) {
  const { label, query, out, tokens, qHeads, kvHeads, queryStride, capacity } = args;
  invariant(qHeads % kvHeads === 0, `${label}: ${qHeads} query heads over ${kvHeads} KV heads`);
  invariant(queryStride % 2 === 0, `${label}: queryStride must be even, got ${queryStride}`);
  invariant(query.buffer !== out.buffer, `${label}: out must not be the query`);
  return {
    uniforms: {
      queryStride,
      outStride: qHeads * headDim,
      headDim,
      group: qHeads / kvHeads,
      capacity,
      scale: Math.LOG2E / Math.sqrt(headDim),
    },
    bytes: tokens * qHeads * headDim * 8 + tokens * kvHeads * headDim * 4,
  };
}
