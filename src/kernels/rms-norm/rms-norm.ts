/** Root-mean-square norm of each row: out[row] = x[row] / √(mean(x[row]²) + eps) · weight. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import { type Dispatch, gridOf } from '../runtime/dispatch.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import workgroup from './rms-norm.wgsl?raw';

export interface RmsNormArgs {
  readonly label: string;
  /** f32 [rows, width] */
  readonly x: BufferSlice;
  /** f32 [width] */
  readonly weight: BufferSlice;
  /** f32 [rows, width]; not `x`. */
  readonly out: BufferSlice;
  readonly rows: number;
  readonly width: number;
  readonly eps: number;
}

export type RmsNorm = (arena: Arena, args: RmsNormArgs) => Dispatch;
export type RmsNormVariant = 'workgroup' | 'serial';

const interfaceOf = {
  bindings: { x: 'read', weight: 'read', out: 'write' },
  uniforms: { rows: 'u32', width: 'u32', eps: 'f32' },
} as const;

export const definitions = {
  workgroup: defineKernel({ name: 'rms-norm-workgroup', sources: [workgroup], ...interfaceOf }),
  serial: defineKernel({
    name: 'rms-norm-serial',
    sources: [() => import('./rms-norm-serial.wgsl?raw')],
    ...interfaceOf,
  }),
};

export async function prepareRmsNorm(
  gpu: Gpu,
  options: { readonly variant?: RmsNormVariant } = {},
): Promise<RmsNorm> {
  const variant = options.variant ?? gpu.chooseVariant(['serial']);
  const kernel = await prepareKernel(gpu, definitions[variant]);
  return (arena, args) => {
    const { label, x, weight, out, rows, width, eps } = args;
    invariant(x.buffer !== out.buffer, `${label}: out must not be x`);
    return kernel.dispatch(arena, {
      label,
      bindings: { x, weight, out },
      uniforms: { rows, width, eps },
      workgroups: gridOf(variant === 'serial' ? Math.ceil(rows / 4) : rows),
      bytes: 4 * width * (2 * rows + 1),
    });
  };
}
