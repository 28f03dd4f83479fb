/** What is to be done with each tensor of the files, in terms of rows. */
import { invariant } from '../../errors.ts';
import { type Matrix, rowStride } from '../../kernels/runtime/matrix.ts';
import type { Tensor } from '../../kernels/runtime/tensor.ts';
import type { TensorEntry } from '../../model/safetensors.ts';
import type { AllocatedWeights } from './allocate-weights.ts';
import type { RowShape } from './row-chunks.ts';
import { floatKindOf } from './weight-formats.ts';
import type { MatrixPlan, MatrixSection, VectorPlan } from './weight-plan.ts';

/** Where a tensor goes: part of a vector, rows of a matrix, or the scales or biases of those rows. */
export type Target =
  | { readonly kind: 'vector'; readonly tensor: Tensor; readonly first: number }
  | { readonly kind: 'weights'; readonly matrix: Matrix; readonly firstRow: number }
  | {
      readonly kind: 'scales';
      readonly slot: 'scale' | 'bias';
      readonly matrix: Matrix;
      readonly firstRow: number;
    };

export interface TensorTask {
  readonly entry: TensorEntry;
  /** As the file holds the tensor, and as it is handed to the GPU. */
  readonly shape: RowShape;
  readonly target: Target;
  /** Word of the loading report. */
  readonly reportIndex: number;
}

export function tensorTasks({ matrices, vectors }: AllocatedWeights): TensorTask[] {
  const targets = [
    ...[...matrices].flatMap(([plan, matrix]) =>
      plan.sections.flatMap((each) => sectionTasks(plan, each, matrix)),
    ),
    ...[...vectors].flatMap(([plan, tensor]) => vectorTasks(plan, tensor)),
  ];
  return targets.map((task, reportIndex) => ({ ...task, reportIndex }));
}

type Unnumbered = Omit<TensorTask, 'reportIndex'>;

function sectionTasks(plan: MatrixPlan, section: MatrixSection, matrix: Matrix): Unnumbered[] {
  const { firstRow, rows, weight, quantized } = section;
  const rowsOf = (entry: TensorEntry): RowShape => {
    const rowBytes = (entry.end - entry.begin) / rows;
    return { rows, rowBytes, pitch: rowBytes };
  };
  const target = { kind: 'weights', matrix, firstRow } as const;
  if (!quantized) {
    const shape = rowsOf(weight);
    const pitch = (shape.rowBytes / plan.columns) * rowStride(plan.columns);
    return [{ entry: weight, shape: { ...shape, pitch }, target }];
  }
  const scales = (entry: TensorEntry, slot: 'scale' | 'bias'): Unnumbered => ({
    entry,
    shape: rowsOf(entry),
    target: { kind: 'scales', slot, matrix, firstRow },
  });
  return [
    { entry: weight, shape: rowsOf(weight), target },
    scales(quantized.scales, 'scale'),
    scales(quantized.biases, 'bias'),
  ];
}

/** A vector is a column: one element to a row. */
function vectorTasks(plan: VectorPlan, tensor: Tensor): Unnumbered[] {
  return plan.sections.map(({ first, entry }) => {
    const kind = floatKindOf(entry);
    invariant(kind, `${entry.name} is of a float type`);
    const rowBytes = kind === 'f32' ? 4 : 2;
    const rows = (entry.end - entry.begin) / rowBytes;
    return { entry, shape: { rows, rowBytes, pitch: rowBytes }, target: { kind: 'vector', tensor, first } };
  });
}
