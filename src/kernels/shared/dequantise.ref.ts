/** What a packed matrix means, word by word: the specification every weight decoder is tested against. */
import type { MatrixFormat } from '../runtime/matrix.ts';
import { rowStride } from '../runtime/matrix.ts';
import { floatFromBfloat, floatFromHalf } from './half.ts';

export interface PackedMatrix {
  readonly rows: number;
  readonly columns: number;
  readonly format: MatrixFormat;
  /** [rows, rowStride(columns)] packed low bits first. */
  readonly weights: Uint32Array;
  /** [rows, groups] pairs of scale and bias; empty for unquantised formats. */
  readonly scales: Uint32Array;
}

export interface DenseMatrix {
  /** [rows, columns] */
  readonly values: Float64Array;
  /** [rows, columns]: |scale · q| + |bias|, the size a weight's rounding error scales with; |w| when unquantised. */
  readonly magnitudes: Float64Array;
}

export function dequantise(packed: PackedMatrix): DenseMatrix {
  const { rows, columns } = packed;
  const values = new Float64Array(rows * columns);
  const magnitudes = new Float64Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const { value, magnitude } = weightAt(packed, row, column);
      values[row * columns + column] = value;
      magnitudes[row * columns + column] = magnitude;
    }
  }
  return { values, magnitudes };
}

function weightAt(packed: PackedMatrix, row: number, column: number): { value: number; magnitude: number } {
  const { format } = packed;
  const bits = format.kind === 'q4' ? 4 : format.kind === 'q8' ? 8 : format.kind === 'f32' ? 32 : 16;
  const index = row * rowStride(packed.columns) + column;
  const word = packed.weights[Math.floor((index * bits) / 32)]!;
  const field = Math.floor(word / 2 ** ((index * bits) % 32)) % 2 ** bits;
  switch (format.kind) {
    case 'q4':
    case 'q8': {
      const groups = Math.ceil(rowStride(packed.columns) / format.groupSize);
      const group = row * groups + Math.floor(column / format.groupSize);
      const [scale, bias] = scalePair(packed.scales, group, format.scales);
      return { value: scale * field + bias, magnitude: Math.abs(scale * field) + Math.abs(bias) };
    }
    case 'f16':
      return exact(floatFromHalf(field));
    case 'bf16':
      return exact(floatFromBfloat(field));
    case 'f32':
      return exact(floatFromBits(field));
    default:
      return format satisfies never;
  }
}

function exact(value: number): { value: number; magnitude: number } {
  return { value, magnitude: Math.abs(value) };
}

function scalePair(scales: Uint32Array, group: number, kind: 'f16' | 'f32'): readonly [number, number] {
  if (kind === 'f32') return [floatFromBits(scales[2 * group]!), floatFromBits(scales[2 * group + 1]!)];
  const word = scales[group]!;
  return [floatFromHalf(word & 0xffff), floatFromHalf(word >>> 16)];
}

function floatFromBits(bits: number): number {
  return new Float32Array(Uint32Array.of(bits).buffer)[0]!;
}
