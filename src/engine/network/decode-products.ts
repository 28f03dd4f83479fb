/** The matrix-vector products of a decode step, compiled for a network's shapes, and which vectors pass between them packed. */
import { invariant } from '../../errors.ts';
import {
  type Finish,
  type MatVec,
  type MatVecArgs,
  type MatVecShape,
  prepareMatVec,
  roundsInputs,
} from '../../kernels/mat-vec/mat-vec.ts';
import type { Arena } from '../../kernels/runtime/arena.ts';
import type { Dispatch } from '../../kernels/runtime/dispatch.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { Matrix } from '../../kernels/runtime/matrix.ts';
import type { Tensor } from '../../kernels/runtime/tensor.ts';
import type { GpuWeights } from '../load/gpu-weights.ts';
import type { Activation } from './activations.ts';

interface MatVecCall extends Omit<MatVecArgs, 'x' | 'out' | 'packed'> {
  readonly x: Activation;
  readonly out: Activation;
  readonly nextGain?: Tensor;
}

/** A product of one token; what is packed says itself. */
export type DecodeProducts = (arena: Arena, finish: Finish, call: MatVecCall) => Dispatch[];

/** Whether the products around every MLP round their inputs, so that its input and its activated values pass packed. */
export function packsMlp(gpu: Gpu, { layers }: GpuWeights): boolean {
  return layers.every(
    ({ output, gateUp, down }) =>
      gateUp.length === 1 && [output, ...gateUp, down].every((matrix) => roundsInputs(gpu, matrix)),
  );
}

/** Compiles every product shape that the layers and the head use. */
export async function prepareDecodeProducts(gpu: Gpu, weights: GpuWeights): Promise<DecodeProducts> {
  const shapes = new Map<string, MatVecShape>();
  const need = (matrix: Matrix, rest: Omit<MatVecShape, 'format' | 'rows' | 'columns'>): void => {
    const shape = shapeOf(matrix, rest);
    shapes.set(JSON.stringify(shape), shape);
  };
  const isPacked = packsMlp(gpu, weights);
  const reads = isPacked ? { hasPackedInputs: true } : {};
  const leaves = (packsOutputs: 'plain' | 'scaled') => (isPacked ? { packsOutputs } : {});
  for (const { qkv, qkvBias, output, outputBias, gateUp, gateUpBias, down, downBias } of weights.layers) {
    for (const matrix of qkv) need(matrix, { finish: 'store', hasNorm: true, hasBias: qkvBias !== null });
    need(output, { finish: 'add', hasNorm: false, hasBias: outputBias !== null, ...leaves('scaled') });
    const finish = gateUp.length === 1 ? 'gated' : 'store';
    for (const matrix of gateUp) {
      need(matrix, { finish, hasNorm: true, hasBias: gateUpBias !== null, ...reads, ...leaves('plain') });
    }
    need(down, { finish: 'add', hasNorm: false, hasBias: downBias !== null, ...reads });
  }
  need(weights.head, { finish: 'store', hasNorm: true, hasBias: false });
  const prepared = new Map<string, MatVec>();
  await Promise.all(
    [...shapes].map(async ([key, shape]) => prepared.set(key, await prepareMatVec(gpu, shape))),
  );
  return (arena, finish, { nextGain, ...call }) => {
    const { matrix, x, out } = call;
    const packed = out.packed && { out: out.packed, gain: nextGain ?? null };
    const shape = shapeOf(matrix, {
      finish,
      hasNorm: call.norm !== undefined,
      hasBias: call.bias !== undefined,
      ...(x.packed ? { hasPackedInputs: true } : {}),
      ...(packed ? { packsOutputs: nextGain ? 'scaled' : 'plain' } : {}),
    });
    const product = prepared.get(JSON.stringify(shape));
    invariant(product, `${call.label}: no mat-vec prepared for ${JSON.stringify(shape)}`);
    return product(arena, { ...call, x: x.packed ?? x, ...(packed ? { packed } : {}) });
  };
}

/** With its fields in one order, so that equal shapes have equal keys. */
function shapeOf(matrix: Matrix, rest: Omit<MatVecShape, 'format' | 'rows' | 'columns'>): MatVecShape {
  const { format, rows, columns } = matrix;
  const { finish, hasNorm, hasBias, hasPackedInputs, packsOutputs } = rest;
  return {
    ...{ format, rows, columns, finish, hasNorm, hasBias },
    ...(hasPackedInputs ? { hasPackedInputs } : {}),
    ...(packsOutputs ? { packsOutputs } : {}),
  };
}
