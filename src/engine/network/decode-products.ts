/** The matrix-vector products of a decode step, compiled for a network's shapes, and which vectors pass between them packed. */
import { invariant } from '../../errors.ts';
import { mergePacks } from '../../kernels/attend/attend-merge.ts';
import {
  canFinishHeads,
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
import type { ModelConfig } from '../../model/config.ts';
import type { GpuWeights } from '../load/gpu-weights.ts';
import type { PackedActivations } from './activations.ts';

/** A product of one token. */
export type DecodeProducts = (arena: Arena, finish: Finish, args: MatVecArgs) => Dispatch[];

/** Weights of a product from which rounding is worth a dispatch that packs the input first. Measured on an H200: at
 *  4096 × 4096 the one gains what the other costs. */
const worthPacking = 2 ** 24;

/** Vectors pass packed where every product of every layer rounds its inputs. */
export function packsVectors(gpu: Gpu, { headDim }: ModelConfig, weights: GpuWeights): PackedActivations {
  const products = layersRound(gpu, weights);
  return { products, attention: products && mergePacks(gpu, headDim) };
}

function layersRound(gpu: Gpu, { layers }: GpuWeights): boolean {
  return layers.every(
    ({ qkv, output, gateUp, down }) =>
      gateUp.length === 1 && [...qkv, output, ...gateUp, down].every((matrix) => roundsInputs(gpu, matrix)),
  );
}

/** Whether the products that make query, key and value also rotate and append them, in every layer: no norm may stand between. */
export function rotatesHeads(gpu: Gpu, { headDim, hasQkNorm }: ModelConfig, weights: GpuWeights): boolean {
  if (hasQkNorm) return false;
  const arePacked = layersRound(gpu, weights);
  return weights.layers.every(({ qkv, qkvBias }) =>
    qkv.every((matrix) => {
      const rounds = mayRound(arePacked, matrix) && roundsInputs(gpu, matrix);
      return canFinishHeads(matrix, headDim, { rounds, biased: qkvBias !== null });
    }),
  );
}

function mayRound(arePacked: boolean, { rows, columns }: Pick<Matrix, 'rows' | 'columns'>): boolean {
  return arePacked || rows * columns > worthPacking;
}

/** Compiles every product shape that the layers and the head use. */
export async function prepareDecodeProducts(
  gpu: Gpu,
  config: ModelConfig,
  weights: GpuWeights,
): Promise<DecodeProducts> {
  const shapes = new Map<string, MatVecShape>();
  const need = (matrix: Matrix, finish: Finish, hasNorm: boolean): void => {
    const shape = shapeOf(matrix, finish, hasNorm);
    shapes.set(JSON.stringify(shape), shape);
  };
  const qkvFinish = rotatesHeads(gpu, config, weights) ? 'heads' : 'store';
  for (const { qkv, output, gateUp, down } of weights.layers) {
    for (const matrix of qkv) need(matrix, qkvFinish, true);
    need(output, 'add', false);
    for (const matrix of gateUp) need(matrix, gateUp.length === 1 ? 'gated' : 'store', true);
    need(down, 'add', false);
  }
  need(weights.head, 'store', true);
  const arePacked = layersRound(gpu, weights);
  const prepared = new Map<string, MatVec>();
  await Promise.all(
    [...shapes].map(async ([key, shape]) => {
      prepared.set(key, await prepareMatVec(gpu, shape, { mayRound: mayRound(arePacked, shape) }));
    }),
  );
  return (arena, finish, args) => {
    const key = JSON.stringify(shapeOf(args.matrix, finish, args.norm !== undefined));
    const product = prepared.get(key);
    invariant(product, `${args.label}: no mat-vec prepared for ${key}`);
    return product(arena, args);
  };
}

/** With its fields in one order, so that equal shapes have equal keys. */
function shapeOf({ format, rows, columns }: Matrix, finish: Finish, hasNorm: boolean): MatVecShape {
  return { format, rows, columns, finish, hasNorm };
}
