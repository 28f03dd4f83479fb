/** A model's weights in GPU memory: immutable records, one owner. */
import type { Matrix } from '../../kernels/runtime/matrix.ts';
import type { Tensor } from '../../kernels/runtime/tensor.ts';

/** Norm gains and biases are f32, allocated and zero up to the next multiple of 32. */
export interface LayerWeights {
  readonly attentionNorm: Tensor;
  /** One matrix with the rows of query, key and value in this order; three where their formats differ. */
  readonly qkv: readonly Matrix[];
  /** [rows of query, key and value together]. */
  readonly qkvBias: Tensor | null;
  /** [headDim]. */
  readonly queryNorm: Tensor | null;
  readonly keyNorm: Tensor | null;
  readonly output: Matrix;
  readonly outputBias: Tensor | null;
  readonly mlpNorm: Tensor;
  /** One matrix of a single part, gate rows then up rows; two where their formats differ or one part cannot hold both. */
  readonly gateUp: readonly Matrix[];
  /** [2 · ffn], gate then up. */
  readonly gateUpBias: Tensor | null;
  readonly down: Matrix;
  readonly downBias: Tensor | null;
}

export interface GpuWeights {
  readonly embedding: Matrix;
  /** The same object as `embedding` when the model ties them. */
  readonly head: Matrix;
  readonly finalNorm: Tensor;
  readonly layers: readonly LayerWeights[];
  /** Bytes of GPU memory held. */
  readonly byteLength: number;
  dispose(): void;
}
