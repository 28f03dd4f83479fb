/** A weight matrix in GPU memory, [rows, columns], row by row, in one of five formats. */
import type { BufferSlice } from './tensor.ts';

/** How weights are kept.
 *  q4, q8: affine, w = scale · q + bias per group of `groupSize` columns; q packed into u32 low bits first along
 *  the columns (8 or 4 to a word). f16, bf16: two to a u32, first in the low half. f32: as is.
 *  Every row starts at a multiple of `rowStride` columns, a multiple of 32; the padding holds zeros. */
export type MatrixFormat =
  | { readonly kind: 'q4' | 'q8'; readonly groupSize: 32 | 64 | 128; readonly scales: 'f16' | 'f32' }
  | { readonly kind: 'f16' | 'bf16' | 'f32' };

/** Consecutive rows that fit in one binding. */
export interface MatrixPart {
  readonly firstRow: number;
  readonly rows: number;
  /** Packed weights, u32 words. */
  readonly weights: BufferSlice;
  /** One scale and bias per group: `f16`: a u32 with scale low, bias high; `f32`: two words, scale then bias.
   *  Absent for unquantised formats. */
  readonly scales?: BufferSlice;
}

export interface Matrix {
  readonly label: string;
  readonly rows: number;
  readonly columns: number;
  readonly format: MatrixFormat;
  readonly parts: readonly MatrixPart[];
}

/** Columns a row takes in memory: rounded up to 32, so that kernels read whole blocks of 32. */
export function rowStride(columns: number): number {
  return Math.ceil(columns / 32) * 32;
}

/** Bytes of packed weights in one row. */
export function rowBytes(format: MatrixFormat, columns: number): number {
  const weightBits = format.kind === 'q4' ? 4 : format.kind === 'q8' ? 8 : format.kind === 'f32' ? 32 : 16;
  return (rowStride(columns) * weightBits) / 8;
}

/** Bytes of scale and bias in one row; 0 for unquantised formats. */
export function rowScaleBytes(format: MatrixFormat, columns: number): number {
  if (format.kind !== 'q4' && format.kind !== 'q8') return 0;
  return Math.ceil(rowStride(columns) / format.groupSize) * (format.scales === 'f16' ? 4 : 8);
}
