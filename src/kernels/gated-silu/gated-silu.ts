/** The gate of the feed-forward block for many rows: out = silu(gate) · up. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import { type Dispatch, gridOf } from '../runtime/dispatch.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import source from './gated-silu.wgsl?raw';

export interface GatedSiluArgs {
  readonly label: string;
  /** f32 [rows, 2 · ffn]: gate, then up. */
  readonly projected: BufferSlice;
  /** f32 [rows, ffn]; not `projected`. */
  readonly out: BufferSlice;
  readonly rows: number;
  readonly ffn: number;
}

export type GatedSilu = (arena: Arena, args: GatedSiluArgs) => Dispatch;

export const definition = defineKernel({
  name: 'gated-silu',
  sources: [source],
  bindings: { projected: 'read', out: 'write' },
  uniforms: { outputs: 'u32', ffn: 'u32' },
});

/** One source serves every adapter: it has no barriers. */
export async function prepareGatedSilu(gpu: Gpu): Promise<GatedSilu> {
  const kernel = await prepareKernel(gpu, definition);
  return (arena, { label, projected, out, rows, ffn }) => {
    invariant(projected.buffer !== out.buffer, `${label}: out must not be the input`);
    return kernel.dispatch(arena, {
      label,
      bindings: { projected, out },
      uniforms: { outputs: rows * ffn, ffn },
      workgroups: gridOf(Math.ceil((rows * ffn) / 256)),
      bytes: rows * ffn * 12,
    });
  };
}
