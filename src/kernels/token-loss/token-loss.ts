/** Natural-log loss of given next tokens, and the likeliest ones, row by row; see token-loss.wgsl. */
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import source from './token-loss.wgsl?raw';

export interface TokenLossArgs {
  readonly label: string;
  /** f32 [rows, vocab] */
  readonly logits: BufferSlice;
  /** u32 [rows], ids below vocab */
  readonly targets: BufferSlice;
  /** f32 [rows]: −ln softmax(logits)[target] */
  readonly losses: BufferSlice;
  /** u32 [rows]: arg max, the lowest id among equals */
  readonly tops: BufferSlice;
  readonly rows: number;
  readonly vocab: number;
}

export type TokenLoss = (arena: Arena, args: TokenLossArgs) => Dispatch;

export const tokenLossKernel = defineKernel({
  name: 'token-loss',
  sources: [source],
  bindings: { logits: 'read', targets: 'read', losses: 'write', tops: 'write' },
  uniforms: { vocab: 'u32' },
  constants: ['lanes'],
});

export async function prepareTokenLoss(gpu: Gpu): Promise<TokenLoss> {
  const kernel = await prepareKernel(gpu, tokenLossKernel, { lanes: gpu.traits.isCpu ? 8 : 256 });
  return (arena, { label, logits, targets, losses, tops, rows, vocab }) => {
    expectBytes(`${label}: logits`, logits, rows * vocab * 4);
    expectBytes(`${label}: targets`, targets, rows * 4);
    expectBytes(`${label}: losses`, losses, rows * 4);
    expectBytes(`${label}: tops`, tops, rows * 4);
    return kernel.dispatch(arena, {
      label,
      bindings: { logits, targets, losses, tops },
      uniforms: { vocab },
      workgroups: [rows],
      bytes: 2 * rows * vocab * 4,
    });
  };
}
