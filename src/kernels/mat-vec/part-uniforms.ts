/** What one dispatch of a product, a part of its matrix, is told. */
import { type Matrix, type MatrixPart, rowBytes, rowScaleBytes, rowStride } from '../runtime/matrix.ts';
import type { Finish, HeadOutputs, MatVecArgs } from './mat-vec.ts';

/** Rows that make one output. */
export function rowsPerOutput(finish: Finish): number {
  return finish === 'gated' ? 2 : 1;
}

/** The fields of struct Dims in mat-vec.wgsl that follow from the matrix and the finish. */
export function partUniforms(
  finish: Finish,
  { matrix, norm, bias, outOffset }: MatVecArgs,
  part: MatrixPart,
) {
  const perOutput = rowsPerOutput(finish);
  const firstOut = (outOffset ?? 0) + part.firstRow / perOutput;
  return {
    rows: part.rows,
    blocks: rowStride(matrix.columns) / 32,
    columns: matrix.columns,
    firstOut,
    upBias: firstOut + matrix.rows / 2,
    outBlocks: Math.ceil(matrix.rows / perOutput / 32),
    eps: norm?.eps ?? 0,
    normed: Number(norm !== undefined),
    biased: Number(bias !== undefined),
    finish: { store: 0, add: 1, gated: 2, heads: 3 }[finish],
  };
}

/** Where rows are heads. */
export function headUniforms({ qHeads, kvHeads, headDim, capacity }: HeadOutputs, firstOut: number) {
  return { qHeads, kvHeads, headDim, capacity, firstHead: firstOut / headDim };
}

/** Where they are not. */
export const noHeads = { qHeads: 0, kvHeads: 0, headDim: 0, capacity: 0, firstHead: 0 } as const;

/** Where nothing is read ahead. */
export const noReaders = { readers: 0, aheadHeads: 0, aheadHeadWords: 0, aheadRowWords: 0 } as const;

/** Where no teams are paired. */
export const noPairs = { pairs: 0, stride: 0, apart: 0 } as const;

/** Bytes that a dispatch must move: weights and inputs. */
export function partBytes({ format, columns }: Matrix, part: MatrixPart): number {
  return part.rows * (rowBytes(format, columns) + rowScaleBytes(format, columns)) + rowStride(columns) * 4;
}
