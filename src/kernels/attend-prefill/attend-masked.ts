/** Attention of a chunk of rows to the tokens whose bits are set, for evaluating sparse attention in bulk: the code of
 *  attend-prefill with a mask. See attend-masked.wgsl. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import stepSource from '../shared/step.wgsl?raw';
import masked from './attend-masked.wgsl?raw';
import {
  type AttendPrefillArgs,
  type AttendPrefillVariant,
  interfaceOf,
  rowsPerWorkgroup,
} from './attend-prefill.ts';
import common from './attend-prefill.wgsl?raw';
import serial from './attend-prefill-serial.wgsl?raw';
import workgroup from './attend-prefill-workgroup.wgsl?raw';

export interface AttendMaskedArgs extends Omit<AttendPrefillArgs, 'queryStride'> {
  /** u32 [lists, tokens, ⌈capacity / 32⌉]: a bit per token, and every row attends to one at least. */
  readonly mask: BufferSlice;
  /** kvHeads or qHeads. */
  readonly lists: number;
  /** f32 [tokens, qHeads]: log2 Σ 2^score over the attended tokens, score = log2(e) · q · k / √headDim. */
  readonly scales: BufferSlice;
}

export type AttendMasked = (arena: Arena, args: AttendMaskedArgs) => Dispatch;

const maskedInterface = {
  bindings: { ...interfaceOf.bindings, mask: 'read', scales: 'write' },
  uniforms: { ...interfaceOf.uniforms, headsPerList: 'u32', maskRows: 'u32', maskWords: 'u32' },
} as const;

export const maskedDefinitions = {
  workgroup: defineKernel({
    name: 'attend-masked-workgroup',
    sources: [stepSource, masked, common, workgroup],
    constants: ['slices'],
    ...maskedInterface,
  }),
  serial: defineKernel({
    name: 'attend-masked-serial',
    sources: [stepSource, masked, common, serial],
    ...maskedInterface,
  }),
};

/** Prepares attention for one head size, as `prepareAttendPrefill`. */
export async function prepareAttendMasked(
  gpu: Gpu,
  headDim: number,
  options: { readonly variant?: AttendPrefillVariant } = {},
): Promise<AttendMasked> {
  invariant(
    headDim % 2 === 0 && headDim <= 256,
    `attend-masked: head size ${headDim} is not even or above 256`,
  );
  const variant = options.variant ?? gpu.chooseVariant(['serial']);
  const constants = variant === 'workgroup' ? { slices: Math.ceil(headDim / 32) } : {};
  const kernel = await prepareKernel(gpu, maskedDefinitions[variant], constants);
  return (arena, args) => {
    const { label, step, query, keys, values, out, mask, scales, tokens, qHeads, kvHeads, capacity } = args;
    const { lists } = args;
    invariant(lists === kvHeads || lists === qHeads, `${label}: ${lists} lists for ${qHeads} query heads`);
    invariant(query.buffer !== out.buffer, `${label}: out must not be the query`);
    const maskWords = Math.ceil(capacity / 32);
    expectBytes(`${label}: mask`, mask, lists * tokens * maskWords * 4);
    expectBytes(`${label}: scales`, scales, tokens * qHeads * 4);
    return kernel.dispatch(arena, {
      label,
      bindings: { step, query, keys, values, out, mask, scales },
      uniforms: {
        queryStride: qHeads * headDim,
        outStride: qHeads * headDim,
        headDim,
        group: qHeads / kvHeads,
        capacity,
        scale: Math.LOG2E / Math.sqrt(headDim),
        headsPerList: qHeads / lists,
        maskRows: tokens,
        maskWords,
      },
      workgroups: [Math.ceil(tokens / rowsPerWorkgroup[variant]), qHeads],
      bytes: tokens * qHeads * headDim * 8 + lists * tokens * maskWords * 4,
    });
  };
}
