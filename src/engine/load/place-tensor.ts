/** Puts rows of a tensor, gathered in the chunk buffer, into their place in GPU memory. */
import { AppError, invariant } from '../../errors.ts';
import type { Arena } from '../../kernels/runtime/arena.ts';
import type { Dispatch } from '../../kernels/runtime/dispatch.ts';
import { type Matrix, type MatrixPart, rowBytes, rowStride } from '../../kernels/runtime/matrix.ts';
import type { Tensor } from '../../kernels/runtime/tensor.ts';
import { floatFromBfloat, floatFromHalf } from '../../kernels/shared/half.ts';
import type { GpuUpload } from './gpu-upload.ts';
import type { Method } from './load-kernels.ts';
import type { PlaceRows } from './row-chunks.ts';
import type { TensorTask } from './tensor-tasks.ts';
import type { FloatKind } from './weight-formats.ts';

/** @param chunk the buffer that holds the rows when the function is called. */
export function placerFor(
  upload: GpuUpload,
  task: TensorTask,
  method: Method,
  chunk: Uint8Array<ArrayBuffer>,
): PlaceRows {
  const { target, entry } = task;
  return async (firstRow, rows) => {
    if (target.kind === 'vector') {
      invariant(method.kind === 'vector', `${entry.name} is a vector`);
      placeVector(upload, task, method.source, target.tensor, target.first + firstRow, rows, chunk);
    } else {
      placeRows(upload, task, method, chunk, target.matrix, target.firstRow + firstRow, rows);
    }
    await upload.settle();
  };
}

function placeVector(
  upload: GpuUpload,
  { entry }: TensorTask,
  source: FloatKind,
  tensor: Tensor,
  first: number,
  count: number,
  chunk: Uint8Array<ArrayBuffer>,
): void {
  const values = floatsIn(chunk, source, count);
  if (!values.every(Number.isFinite)) throw notFinite(entry.file, entry.name);
  upload.write(tensor.buffer, first * 4, new Uint8Array(values.buffer));
}

function floatsIn(
  chunk: Uint8Array<ArrayBuffer>,
  source: FloatKind,
  count: number,
): Float32Array<ArrayBuffer> {
  if (source === 'f32') return new Float32Array(chunk.buffer, chunk.byteOffset, count).slice();
  const floatOf = source === 'f16' ? floatFromHalf : floatFromBfloat;
  return Float32Array.from(new Uint16Array(chunk.buffer, chunk.byteOffset, count), floatOf);
}

/** Rows [firstRow, firstRow + rows) of a matrix, which lie at the start of the chunk and may cross its parts. */
function placeRows(
  upload: GpuUpload,
  task: TensorTask,
  method: Method,
  chunk: Uint8Array<ArrayBuffer>,
  matrix: Matrix,
  firstRow: number,
  rows: number,
): void {
  const { pitch } = task.shape;
  const isDirect = method.kind === 'copy' || method.kind === 'keep';
  if (!isDirect) {
    const bytes = Math.ceil((rows * pitch) / 4) * 4;
    upload.write(upload.staging.buffer, 0, chunk.subarray(0, bytes));
  }
  const runs = runsOf(matrix, firstRow, rows);
  if (isDirect) {
    const bytes = rowBytes(matrix.format, matrix.columns);
    invariant(bytes === pitch, `${task.entry.name}: rows of ${pitch} bytes do not fit rows of ${bytes}`);
    for (const { part, fromRow, inPart, count } of runs) {
      const rowsToWrite = chunk.subarray(fromRow * pitch, (fromRow + count) * pitch);
      upload.write(part.weights.buffer, inPart * pitch, rowsToWrite);
    }
  }
  if (method.kind === 'copy') return;
  upload.run((arena) => runs.map((run) => dispatchFor(arena, upload, task, method, matrix, run)));
}

/** Consecutive rows of a chunk that fall into one part. */
interface Run {
  readonly part: MatrixPart;
  /** First row within the chunk, and within the part. */
  readonly fromRow: number;
  readonly inPart: number;
  readonly count: number;
}

function runsOf(matrix: Matrix, firstRow: number, rows: number): Run[] {
  return matrix.parts.flatMap((part) => {
    const begin = Math.max(firstRow, part.firstRow);
    const count = Math.min(firstRow + rows, part.firstRow + part.rows) - begin;
    return count > 0 ? [{ part, fromRow: begin - firstRow, inPart: begin - part.firstRow, count }] : [];
  });
}

function dispatchFor(
  arena: Arena,
  upload: GpuUpload,
  task: TensorTask,
  method: Exclude<Method, { readonly kind: 'copy' }>,
  matrix: Matrix,
  { part, fromRow, inPart, count }: Run,
): Dispatch {
  const { staging: source, report } = upload;
  const stride = rowStride(matrix.columns);
  const common = { label: `load ${task.entry.name}`, report, reportIndex: task.reportIndex };
  switch (method.kind) {
    case 'keep': {
      const wordsPerRow = task.shape.pitch / 4;
      return method.check(arena, {
        ...common,
        type: method.source,
        values: part.weights,
        firstWord: inPart * wordsPerRow,
        words: count * wordsPerRow,
      });
    }
    case 'convert':
      return method.toHalf(arena, {
        ...common,
        source,
        firstSource: fromRow * stride,
        out: part.weights,
        firstWord: (inPart * stride) / 2,
        words: (count * stride) / 2,
      });
    case 'quantize':
      return method.quantize(arena, {
        ...common,
        source,
        firstSource: fromRow * stride,
        weights: part.weights,
        scales: scalesOf(part, matrix),
        firstGroup: (inPart * stride) / 32,
        groups: (count * stride) / 32,
      });
    case 'scales': {
      const { target } = task;
      invariant(target.kind === 'scales', `${task.entry.name} holds scales or biases`);
      const groupsPerRow = task.shape.rowBytes / (method.source === 'f32' ? 4 : 2);
      return method.place(arena, {
        ...common,
        source,
        firstSource: fromRow * groupsPerRow,
        pairs: scalesOf(part, matrix),
        firstGroup: inPart * groupsPerRow,
        groups: count * groupsPerRow,
        slot: target.slot,
      });
    }
    case 'vector':
      throw new Error(`Internal error: ${task.entry.name} is a matrix, not a vector`);
    default:
      return method satisfies never;
  }
}

function scalesOf(part: MatrixPart, matrix: Matrix): NonNullable<MatrixPart['scales']> {
  invariant(part.scales, `${matrix.label} has scales`);
  return part.scales;
}

export function notFinite(file: string, tensor: string): AppError {
  return new AppError(
    'file-malformed',
    `${file}: tensor ${tensor} holds values that are not finite (infinity or NaN); every answer would be wrong. Download the file again, or choose another model.`,
    { details: { file, tensor } },
  );
}
