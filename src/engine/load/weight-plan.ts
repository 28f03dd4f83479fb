/** What weights a model will have in GPU memory, from which tensors of the files, and how large they are. */
import { type MatrixFormat, rowBytes, rowScaleBytes, rowStride } from '../../kernels/runtime/matrix.ts';
import type { TensorEntry } from '../../model/safetensors.ts';
import { formatName } from './weight-formats.ts';

/** Rows of a matrix that one tensor of the files fills. */
export interface MatrixSection {
  readonly firstRow: number;
  readonly rows: number;
  readonly weight: TensorEntry;
  /** Only for matrices that are quantised in the files. */
  readonly quantized: { readonly scales: TensorEntry; readonly biases: TensorEntry } | null;
}

export interface MatrixPlan {
  readonly label: string;
  readonly rows: number;
  readonly columns: number;
  readonly format: MatrixFormat;
  /** Rows in every part but the last. */
  readonly rowsPerPart: number;
  readonly sections: readonly MatrixSection[];
}

/** Vectors of the files, one after another. */
export interface VectorPlan {
  readonly label: string;
  readonly length: number;
  readonly sections: readonly { readonly first: number; readonly entry: TensorEntry }[];
}

export interface LayerPlan {
  readonly attentionNorm: VectorPlan;
  readonly qkv: readonly MatrixPlan[];
  readonly qkvBias: VectorPlan | null;
  readonly queryNorm: VectorPlan | null;
  readonly keyNorm: VectorPlan | null;
  readonly output: MatrixPlan;
  readonly outputBias: VectorPlan | null;
  readonly mlpNorm: VectorPlan;
  readonly gateUp: readonly MatrixPlan[];
  readonly gateUpBias: VectorPlan | null;
  readonly down: MatrixPlan;
  readonly downBias: VectorPlan | null;
}

export interface WeightPlan {
  readonly embedding: MatrixPlan;
  /** null: tied. */
  readonly head: MatrixPlan | null;
  readonly finalNorm: VectorPlan;
  readonly layers: readonly LayerPlan[];
}

function matricesOf(plan: WeightPlan): readonly MatrixPlan[] {
  return [
    plan.embedding,
    ...(plan.head ? [plan.head] : []),
    ...plan.layers.flatMap(({ qkv, output, gateUp, down }) => [...qkv, output, ...gateUp, down]),
  ];
}

function vectorsOf(plan: WeightPlan): readonly VectorPlan[] {
  const perLayer = plan.layers.flatMap((layer) => [
    layer.attentionNorm,
    layer.qkvBias,
    layer.queryNorm,
    layer.keyNorm,
    layer.outputBias,
    layer.mlpNorm,
    layer.gateUpBias,
    layer.downBias,
  ]);
  return [plan.finalNorm, ...perLayer.filter((vector) => vector !== null)];
}

/** Bytes of GPU memory: packed weights and scales, padding included. */
export function weightBytesOf(plan: WeightPlan): number {
  const matrices = matricesOf(plan).map(matrixBytes);
  const vectors = vectorsOf(plan).map(({ length }) => rowStride(length) * 4);
  return [...matrices, ...vectors].reduce((total, bytes) => total + bytes, 0);
}

/** Every row takes whole multiples of 4 bytes; buffers are rounded up to 16. */
export function matrixBytes({ rows, columns, format, rowsPerPart }: MatrixPlan): number {
  let total = 0;
  for (let firstRow = 0; firstRow < rows; firstRow += rowsPerPart) {
    const count = Math.min(rowsPerPart, rows - firstRow);
    for (const bytes of [rowBytes(format, columns), rowScaleBytes(format, columns)]) {
      total += Math.ceil((count * bytes) / 16) * 16;
    }
  }
  return total;
}

/** How weights are kept, in words: "q4 (group 32), embedding q8 (group 32)". */
export function describeWeights(plan: WeightPlan): string {
  const inLayers = plan.layers.flatMap(({ qkv, output, gateUp, down }) => [...qkv, output, ...gateUp, down]);
  const layers = [...new Set(inLayers.map(({ format }) => formatName(format)))].join(' and ');
  const ends = [
    ['embedding', formatName(plan.embedding.format)],
    ...(plan.head ? [['head', formatName(plan.head.format)]] : []),
  ];
  const others = ends.filter(([, format]) => format !== layers).map((end) => end.join(' '));
  return [layers, ...others].join(', ');
}
