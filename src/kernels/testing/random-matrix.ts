/** A random weight matrix in any format, on the GPU and as numbers. */
import type { Arena } from '../runtime/arena.ts';
import { type Matrix, type MatrixFormat, type MatrixPart, rowBytes, rowStride } from '../runtime/matrix.ts';
import { dequantise } from '../shared/dequantise.ref.ts';
import { halfFromFloat } from '../shared/half.ts';
import type { Random } from './random.ts';

export interface RandomMatrix {
  readonly matrix: Matrix;
  /** [rows, columns], the value of each weight rounded to f32. */
  readonly dense: Float32Array<ArrayBuffer>;
  /** [rows, columns]: what the rounding error of decoding a weight scales with: |scale · q| + |bias|, or |w|. */
  readonly magnitudes: Float64Array;
}

export interface RandomMatrixOptions {
  readonly rows: number;
  readonly columns: number;
  readonly format: MatrixFormat;
  /** Rows in each part, the last one may have fewer; one part unless told. */
  readonly rowsPerPart?: number;
}

/** Weights near a standard normal over √columns; padding columns hold zeros. */
export function randomMatrix(arena: Arena, random: Random, options: RandomMatrixOptions): RandomMatrix {
  const { rows, columns, format } = options;
  const scales = randomScales(random, options);
  const weights = randomWeights(random, options);
  const { values, magnitudes } = dequantise({ rows, columns, format, weights, scales });
  const rowsPerPart = options.rowsPerPart ?? rows;
  const parts: MatrixPart[] = [];
  for (let firstRow = 0; firstRow < rows; firstRow += rowsPerPart) {
    const count = Math.min(rowsPerPart, rows - firstRow);
    const rowsOf = (words: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> =>
      words.slice((words.length / rows) * firstRow, (words.length / rows) * (firstRow + count));
    const upload = (name: string, words: Uint32Array<ArrayBuffer>) =>
      arena.tensorFrom(`${name} of rows from ${firstRow}`, 'u32', [words.length], words);
    parts.push({
      firstRow,
      rows: count,
      weights: upload('weights', rowsOf(weights)),
      ...(scales.length > 0 ? { scales: upload('scales', rowsOf(scales)) } : {}),
    });
  }
  const label = `random ${format.kind} ${rows} × ${columns}`;
  return { matrix: { label, rows, columns, format, parts }, dense: Float32Array.from(values), magnitudes };
}

function randomWeights(random: Random, options: RandomMatrixOptions): Uint32Array<ArrayBuffer> {
  const { rows, columns, format } = options;
  const stride = rowStride(columns);
  const bytes = new Uint8Array(rows * rowBytes(format, columns));
  const view = new DataView(bytes.buffer);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const index = row * stride + column;
      const value = random.normal() / Math.sqrt(columns);
      switch (format.kind) {
        case 'q4':
          bytes[index >> 1]! |= random.integer(0, 15) << ((index & 1) * 4);
          break;
        case 'q8':
          bytes[index] = random.integer(0, 255);
          break;
        case 'f16':
          view.setUint16(index * 2, halfFromFloat(value), true);
          break;
        case 'bf16':
          view.setUint16(index * 2, bfloatFromFloat(value), true);
          break;
        case 'f32':
          view.setFloat32(index * 4, value, true);
          break;
        default:
          format satisfies never;
      }
    }
  }
  return new Uint32Array(bytes.buffer);
}

/** Scale and bias per group so that a q4 or q8 weight spreads over about ±2 / √columns; no two groups alike. */
function randomScales(random: Random, options: RandomMatrixOptions): Uint32Array<ArrayBuffer> {
  const { rows, columns, format } = options;
  if (format.kind !== 'q4' && format.kind !== 'q8') return new Uint32Array(0);
  const largest = format.kind === 'q4' ? 15 : 255;
  const groups = Math.ceil(rowStride(columns) / format.groupSize);
  const pairs = Float32Array.from({ length: rows * groups * 2 });
  for (let group = 0; group < rows * groups; group++) {
    const scale = (4 / largest / Math.sqrt(columns)) * (0.5 + random.next());
    pairs[2 * group] = scale;
    pairs[2 * group + 1] = -scale * largest * (0.4 + 0.2 * random.next());
  }
  if (format.scales === 'f32') return new Uint32Array(pairs.buffer);
  return Uint32Array.from(
    { length: rows * groups },
    (_, group) => halfFromFloat(pairs[2 * group]!) + halfFromFloat(pairs[2 * group + 1]!) * 65536,
  );
}

/** Cuts an f32 to its upper half: random test data needs no rounding. */
function bfloatFromFloat(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0]! >>> 16;
}
