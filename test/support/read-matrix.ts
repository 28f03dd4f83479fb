/** Reads weights back from the GPU as numbers. */
import type { Gpu } from '../../src/kernels/runtime/gpu.ts';
import { type Matrix, rowBytes, rowScaleBytes, rowStride } from '../../src/kernels/runtime/matrix.ts';
import { readBytes, readF32 } from '../../src/kernels/runtime/readback.ts';
import type { Tensor } from '../../src/kernels/runtime/tensor.ts';
import { dequantise } from '../../src/kernels/shared/dequantise.ref.ts';

/** [rows, columns], parts joined. Throws unless padding columns hold zeros. */
async function readMatrix(gpu: Gpu, matrix: Matrix): Promise<Float64Array> {
  const { columns, format } = matrix;
  const values = new Float64Array(matrix.rows * columns);
  const stride = rowStride(columns);
  let nextRow = 0;
  for (const { firstRow, rows, weights, scales } of matrix.parts) {
    if (firstRow !== nextRow)
      throw new Error(`${matrix.label}: part begins at ${firstRow}, expected ${nextRow}`);
    nextRow += rows;
    const words = async (slice: typeof weights, bytes: number): Promise<Uint32Array> =>
      new Uint32Array(await readBytes(gpu, slice, bytes));
    const part = dequantise({
      rows,
      columns: stride,
      format,
      weights: await words(weights, rows * rowBytes(format, columns)),
      scales: scales ? await words(scales, rows * rowScaleBytes(format, columns)) : new Uint32Array(0),
    });
    for (let row = 0; row < rows; row++) {
      const padded = part.values.subarray(row * stride, (row + 1) * stride);
      values.set(padded.subarray(0, columns), (firstRow + row) * columns);
      if (padded.subarray(columns).some((value) => value !== 0)) {
        throw new Error(`${matrix.label}: padding of row ${firstRow + row} is not zero`);
      }
    }
  }
  if (nextRow !== matrix.rows)
    throw new Error(`${matrix.label}: parts hold ${nextRow} of ${matrix.rows} rows`);
  return values;
}

export async function readMatrices(gpu: Gpu, matrices: readonly Matrix[]): Promise<Float64Array> {
  const all = await Promise.all(matrices.map((matrix) => readMatrix(gpu, matrix)));
  return Float64Array.from(all.flatMap((values) => [...values]));
}

/** null for null. */
export async function readVector(gpu: Gpu, tensor: Tensor | null): Promise<number[] | null> {
  return tensor && [...(await readF32(gpu, tensor))];
}
