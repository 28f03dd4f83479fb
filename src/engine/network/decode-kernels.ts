/** A network's products of one token, with the norm before and the residual add or the gate behind them. */
import { invariant } from '../../errors.ts';
import { prepareGatedSilu } from '../../kernels/gated-silu/gated-silu.ts';
import type { ReadAhead } from '../../kernels/mat-vec/mat-vec.ts';
import type { Arena } from '../../kernels/runtime/arena.ts';
import type { Dispatch } from '../../kernels/runtime/dispatch.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { Matrix } from '../../kernels/runtime/matrix.ts';
import type { Tensor } from '../../kernels/runtime/tensor.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { Activation } from './activations.ts';
import type { DecodeProducts } from './decode-products.ts';
import type { ProductArgs } from './network-kernels.ts';
import { type Stack, stacked } from './stacked.ts';

interface NormedProductArgs extends ProductArgs<Activation> {
  readonly gain: Tensor;
}

export interface DecodeKernels {
  /** out = W · norm(x) + bias */
  project(arena: Arena, label: string, stack: Stack, args: NormedProductArgs): Dispatch[];
  /** out += W · x + bias; nextGain: of the norm through which a packed `out` is read. */
  addProduct(
    arena: Arena,
    label: string,
    matrix: Matrix,
    args: ProductArgs<Activation> & { readonly nextGain?: Tensor; readonly ahead?: ReadAhead },
  ): Dispatch[];
  /** out = silu(gate · norm(x)) · (up · norm(x)) */
  gatedProduct(
    arena: Arena,
    label: string,
    stack: Stack,
    args: NormedProductArgs & { readonly gateUp: Tensor; readonly ahead?: ReadAhead },
  ): Dispatch[];
}

export async function prepareDecodeKernels(
  gpu: Gpu,
  config: ModelConfig,
  products: DecodeProducts,
): Promise<DecodeKernels> {
  const gate = await prepareGatedSilu(gpu);
  const project: DecodeKernels['project'] = (arena, label, stack, { x, gain, bias, out }) =>
    stacked(stack, (matrix, outOffset) =>
      products(arena, 'store', {
        label,
        matrix,
        x,
        norm: { gain, eps: config.normEps },
        ...(bias ? { bias } : {}),
        out,
        outOffset,
      }),
    );
  return {
    project,
    addProduct: (arena, label, matrix, { bias, ...args }) =>
      products(arena, 'add', { label, matrix, ...args, ...(bias ? { bias } : {}) }),
    gatedProduct: (arena, label, stack, { gateUp, ...args }) => {
      const [fused, ...rest] = stack;
      invariant(fused, `${label}: no gate and up matrices`);
      if (rest.length > 0) {
        return [
          ...project(arena, `${label}.gateUp`, stack, { ...args, out: gateUp }),
          gate(arena, { label, projected: gateUp, out: args.out, rows: 1, ffn: config.ffn }),
        ];
      }
      const { gain, bias, ...vectors } = args;
      const norm = { gain, eps: config.normEps };
      return products(arena, 'gated', { label, matrix: fused, norm, ...(bias ? { bias } : {}), ...vectors });
    },
  };
}
