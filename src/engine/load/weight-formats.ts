/** How each matrix of a checkpoint is kept in GPU memory. */
import type { MatrixFormat } from '../../kernels/runtime/matrix.ts';
import type { TensorEntry } from '../../model/safetensors.ts';
import type { LinearSpec } from '../../model/weight-manifest.ts';
import type { WeightsOption } from '../api.ts';

/** A choice per kind of matrix; for a tied model `embedding` holds for both. */
export interface WeightsChoice {
  readonly layers: WeightsOption;
  readonly embedding: WeightsOption;
  readonly head: WeightsOption;
}

export type FloatKind = 'f32' | 'f16' | 'bf16';

/** q4 leaves embedding and head at 8 bits: they are few, and every token passes through both. */
export function weightsChoice(option: WeightsOption): WeightsChoice {
  const ends = option === 'q4' ? 'q8' : option;
  return { layers: option, embedding: ends, head: ends };
}

/** The float type of a file's tensor; null for integers. */
export function floatKindOf(entry: TensorEntry): FloatKind | null {
  switch (entry.dtype) {
    case 'F32':
      return 'f32';
    case 'F16':
      return 'f16';
    case 'BF16':
      return 'bf16';
    default:
      return null;
  }
}

/** The format of an unquantised matrix: rows that do not divide into groups of 32 are not quantised. */
export function chosenFormat(stored: FloatKind, columns: number, option: WeightsOption): MatrixFormat {
  switch (option) {
    case 'q4':
    case 'q8':
      return columns % 32 === 0 ? { kind: option, groupSize: 32, scales: 'f16' } : { kind: 'f16' };
    case 'f16':
      return { kind: 'f16' };
    case 'stored':
      return { kind: stored };
    default:
      return option satisfies never;
  }
}

/** The format of a matrix the file holds quantised: as it is. F16 scales stay; others need f32 to stay exact. */
export function quantizedFormat(
  { bits, groupSize }: NonNullable<LinearSpec['quantization']>,
  scales: TensorEntry,
  biases: TensorEntry,
): MatrixFormat {
  const isHalf = scales.dtype === 'F16' && biases.dtype === 'F16';
  return { kind: bits === 4 ? 'q4' : 'q8', groupSize, scales: isHalf ? 'f16' : 'f32' };
}

export function isSameFormat(a: MatrixFormat, b: MatrixFormat): boolean {
  return formatName(a) === formatName(b);
}

/** Short name for people, e.g. "q4 (group 32)". */
export function formatName(format: MatrixFormat): string {
  if (format.kind !== 'q4' && format.kind !== 'q8') return format.kind;
  const scales = format.scales === 'f32' ? ', f32 scales' : '';
  return `${format.kind} (group ${format.groupSize}${scales})`;
}
