/** Allocates a plan's matrices and vectors, empty. */
import { Arena } from '../../kernels/runtime/arena.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import {
  type Matrix,
  type MatrixPart,
  rowBytes,
  rowScaleBytes,
  rowStride,
} from '../../kernels/runtime/matrix.ts';
import type { Tensor } from '../../kernels/runtime/tensor.ts';
import { allocating } from '../memory/allocating.ts';
import type { GpuWeights, LayerWeights } from './gpu-weights.ts';
import {
  type LayerPlan,
  type MatrixPlan,
  matrixBytes,
  type VectorPlan,
  type WeightPlan,
} from './weight-plan.ts';

export interface AllocatedWeights {
  readonly weights: GpuWeights;
  /** Where each planned matrix and vector lies. */
  readonly matrices: ReadonlyMap<MatrixPlan, Matrix>;
  readonly vectors: ReadonlyMap<VectorPlan, Tensor>;
}

/** Zero-filled buffers for all weights; none is left behind after an error.
 *  @throws AppError "out-of-memory" naming the matrix and its size. */
export async function allocateWeights(gpu: Gpu, plan: WeightPlan): Promise<AllocatedWeights> {
  const arena = new Arena(gpu);
  try {
    return await new Allocator(gpu, arena).all(plan);
  } catch (error) {
    arena.dispose();
    throw error;
  }
}

class Allocator {
  readonly #gpu: Gpu;
  readonly #arena: Arena;
  readonly #matrices = new Map<MatrixPlan, Matrix>();
  readonly #vectors = new Map<VectorPlan, Tensor>();

  constructor(gpu: Gpu, arena: Arena) {
    this.#gpu = gpu;
    this.#arena = arena;
  }

  async all(plan: WeightPlan): Promise<AllocatedWeights> {
    const arena = this.#arena;
    const embedding = await this.#matrix(plan.embedding);
    const head = plan.head ? await this.#matrix(plan.head) : embedding;
    const finalNorm = await this.#vector(plan.finalNorm);
    const layers: LayerWeights[] = [];
    for (const layer of plan.layers) layers.push(await this.#layer(layer));
    return {
      weights: {
        embedding,
        head,
        finalNorm,
        layers,
        byteLength: arena.byteLength,
        dispose: () => arena.dispose(),
      },
      matrices: this.#matrices,
      vectors: this.#vectors,
    };
  }

  async #layer(plan: LayerPlan): Promise<LayerWeights> {
    const vector = (wanted: VectorPlan | null): Promise<Tensor> | null => wanted && this.#vector(wanted);
    return {
      attentionNorm: await this.#vector(plan.attentionNorm),
      qkv: await Promise.all(plan.qkv.map((matrix) => this.#matrix(matrix))),
      qkvBias: await vector(plan.qkvBias),
      queryNorm: await vector(plan.queryNorm),
      keyNorm: await vector(plan.keyNorm),
      output: await this.#matrix(plan.output),
      outputBias: await vector(plan.outputBias),
      mlpNorm: await this.#vector(plan.mlpNorm),
      gateUp: await Promise.all(plan.gateUp.map((matrix) => this.#matrix(matrix))),
      gateUpBias: await vector(plan.gateUpBias),
      down: await this.#matrix(plan.down),
      downBias: await vector(plan.downBias),
    };
  }

  async #matrix(plan: MatrixPlan): Promise<Matrix> {
    const { label, rows, columns, format } = plan;
    const parts = await allocating(this.#gpu, `weights ${label}`, matrixBytes(plan), () => this.#parts(plan));
    const matrix = { label, rows, columns, format, parts };
    this.#matrices.set(plan, matrix);
    return matrix;
  }

  #parts({ label, rows, columns, format, rowsPerPart }: MatrixPlan): MatrixPart[] {
    const parts: MatrixPart[] = [];
    const scaleBytes = rowScaleBytes(format, columns);
    for (let firstRow = 0; firstRow < rows; firstRow += rowsPerPart) {
      const count = Math.min(rowsPerPart, rows - firstRow);
      const buffer = (name: string, bytes: number): { buffer: GPUBuffer } => ({
        buffer: this.#arena.buffer(`${label}.${name}`, bytes),
      });
      parts.push({
        firstRow,
        rows: count,
        weights: buffer('weights', count * rowBytes(format, columns)),
        ...(scaleBytes > 0 ? { scales: buffer('scales', count * scaleBytes) } : {}),
      });
    }
    return parts;
  }

  /** Allocated up to the row stride, which kernels that read blocks of columns rely on. */
  async #vector(plan: VectorPlan): Promise<Tensor> {
    const { label, length } = plan;
    const stride = rowStride(length);
    const padded = await allocating(this.#gpu, `weights ${label}`, stride * 4, () =>
      this.#arena.tensor(label, 'f32', [stride]),
    );
    const tensor = { ...padded, shape: [length] };
    this.#vectors.set(plan, tensor);
    return tensor;
  }
}
