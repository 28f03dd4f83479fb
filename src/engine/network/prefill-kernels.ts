/** A network's operations over many rows: a chunk of the prompt. */
import { invariant } from '../../errors.ts';
import { prepareAttendPrefill } from '../../kernels/attend-prefill/attend-prefill.ts';
import { prepareGatedSilu } from '../../kernels/gated-silu/gated-silu.ts';
import { type MatMul, prepareMatMul } from '../../kernels/mat-mul/mat-mul.ts';
import { prepareRmsNorm } from '../../kernels/rms-norm/rms-norm.ts';
import type { Arena } from '../../kernels/runtime/arena.ts';
import type { Dispatch } from '../../kernels/runtime/dispatch.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { Matrix, MatrixFormat } from '../../kernels/runtime/matrix.ts';
import type { Tensor } from '../../kernels/runtime/tensor.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { GpuWeights } from '../load/gpu-weights.ts';
import type { HeadsArgs, ProductArgs } from './network-kernels.ts';
import { type Stack, stacked } from './stacked.ts';

type RowsArgs<T> = T & { readonly rows: number };

export interface PrefillKernels {
  normRows(arena: Arena, label: string, args: RowsArgs<{ x: Tensor; gain: Tensor; out: Tensor }>): Dispatch;
  /** out = W · x + bias */
  projectRows(arena: Arena, label: string, stack: Stack, args: RowsArgs<ProductArgs<Tensor>>): Dispatch[];
  /** out += W · x + bias */
  addProductRows(
    arena: Arena,
    label: string,
    matrix: Matrix,
    args: RowsArgs<ProductArgs<Tensor>>,
  ): Dispatch[];
  /** out = silu(gate) · up */
  gateRows(arena: Arena, label: string, args: RowsArgs<{ gateUp: Tensor; out: Tensor }>): Dispatch;
  /** Dense attention of each row to all tokens up to its own. */
  attendRows(arena: Arena, label: string, args: RowsArgs<HeadsArgs & { readonly out: Tensor }>): Dispatch;
}

export async function preparePrefillKernels(
  gpu: Gpu,
  config: ModelConfig,
  weights: GpuWeights,
): Promise<PrefillKernels> {
  const [norm, gate, attend, matMuls] = await Promise.all([
    prepareRmsNorm(gpu),
    prepareGatedSilu(gpu),
    prepareAttendPrefill(gpu, config.headDim),
    prepareMatMuls(gpu, weights),
  ]);
  return {
    normRows: (arena, label, { x, gain, out, rows }) =>
      norm(arena, { label, x, weight: gain, out, rows, width: config.hidden, eps: config.normEps }),
    projectRows: (arena, label, stack, { x, bias, out, rows }) => {
      const outStride = stack.reduce((sum, matrix) => sum + matrix.rows, 0);
      return stacked(stack, (matrix, outOffset) =>
        matMuls(matrix.format)(arena, {
          label,
          matrix,
          x,
          xStride: matrix.columns,
          out,
          outStride,
          outOffset,
          tokens: rows,
          accumulate: false,
          ...(bias ? { bias, biasOffset: outOffset } : {}),
        }),
      );
    },
    addProductRows: (arena, label, matrix, { x, bias, out, rows }) =>
      matMuls(matrix.format)(arena, {
        label,
        matrix,
        x,
        xStride: matrix.columns,
        out,
        outStride: matrix.rows,
        outOffset: 0,
        tokens: rows,
        accumulate: true,
        ...(bias ? { bias } : {}),
      }),
    gateRows: (arena, label, { gateUp, out, rows }) =>
      gate(arena, { label, projected: gateUp, out, rows, ffn: config.ffn }),
    attendRows: (arena, label, { rows, keyCache, valueCache, ...args }) =>
      attend(arena, {
        label,
        ...args,
        keys: keyCache,
        values: valueCache,
        queryStride: config.qHeads * config.headDim,
        tokens: rows,
        qHeads: config.qHeads,
        kvHeads: config.kvHeads,
      }),
  };
}

type MatMuls = (format: MatrixFormat) => MatMul;

async function prepareMatMuls(gpu: Gpu, weights: GpuWeights): Promise<MatMuls> {
  const matrices = [
    weights.head,
    ...weights.layers.flatMap((layer) => [...layer.qkv, layer.output, ...layer.gateUp, layer.down]),
  ];
  const formats = new Map(matrices.map(({ format }) => [JSON.stringify(format), format]));
  const prepared = new Map<string, MatMul>();
  await Promise.all(
    [...formats].map(async ([key, format]) => prepared.set(key, await prepareMatMul(gpu, format))),
  );
  return (format) => {
    const product = prepared.get(JSON.stringify(format));
    invariant(product, `no mat-mul prepared for ${JSON.stringify(format)}`);
    return product;
  };
}
