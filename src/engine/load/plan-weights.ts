/** Plans a model's weights: which tensors are stacked into one matrix, and the format each is kept in. */
import { AppError, invariant } from '../../errors.ts';
import { type MatrixFormat, rowBytes, rowScaleBytes } from '../../kernels/runtime/matrix.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { TensorEntry } from '../../model/safetensors.ts';
import type { LayerManifest, LinearSpec, TensorSpec, WeightManifest } from '../../model/weight-manifest.ts';
import type { WeightsOption } from '../api.ts';
import {
  chosenFormat,
  floatKindOf,
  isSameFormat,
  quantizedFormat,
  type WeightsChoice,
  weightsChoice,
} from './weight-formats.ts';
import type { LayerPlan, MatrixPlan, MatrixSection, VectorPlan, WeightPlan } from './weight-plan.ts';

export interface WeightPlanInput {
  readonly config: ModelConfig;
  readonly manifest: WeightManifest;
  /** Name → entry, as `checkTensors` returns them. */
  readonly entries: ReadonlyMap<string, TensorEntry>;
  readonly weights: WeightsOption | WeightsChoice;
  /** Most bytes of one part: what the device can bind, see `partLimit`. */
  readonly maxPartBytes: number;
}

/** Bytes that one part of a matrix may take on a device. */
export function partLimit(limits: {
  readonly maxStorageBufferBindingSize: number;
  readonly maxBufferSize: number;
}): number {
  return Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
}

/** @throws AppError "limit-exceeded" when a single row is larger than a part may be. */
export function planWeights(input: WeightPlanInput): WeightPlan {
  const { manifest, weights } = input;
  const choice = typeof weights === 'string' ? weightsChoice(weights) : weights;
  const planner = new Planner(input);
  return {
    embedding: planner.matrix('embedding', [manifest.embedding], choice.embedding),
    head: manifest.head ? planner.matrix('head', [manifest.head], choice.head) : null,
    finalNorm: planner.vector('finalNorm', [manifest.finalNorm]),
    layers: manifest.layers.map((layer, index) => planner.layer(`layer[${index}]`, layer, choice.layers)),
  };
}

class Planner {
  readonly #input: WeightPlanInput;

  constructor(input: WeightPlanInput) {
    this.#input = input;
  }

  layer(label: string, layer: LayerManifest, option: WeightsOption): LayerPlan {
    const { query, key, value, output, gate, up, down } = layer;
    const bias = (name: string, linears: readonly LinearSpec[]): VectorPlan | null => {
      const specs = linears.flatMap((linear) => linear.bias ?? []);
      invariant(specs.length === 0 || specs.length === linears.length, `${label}: some biases are missing`);
      return specs.length === 0 ? null : this.vector(`${label}.${name}`, specs);
    };
    const norm = (name: string, spec: TensorSpec | null): VectorPlan | null =>
      spec && this.vector(`${label}.${name}`, [spec]);
    return {
      attentionNorm: this.vector(`${label}.attentionNorm`, [layer.attentionNorm]),
      qkv: this.#fusedWhereSame(`${label}.qkv`, [query, key, value], option),
      qkvBias: bias('qkvBias', [query, key, value]),
      queryNorm: norm('queryNorm', layer.queryNorm),
      keyNorm: norm('keyNorm', layer.keyNorm),
      output: this.matrix(`${label}.output`, [output], option),
      outputBias: bias('outputBias', [output]),
      mlpNorm: this.vector(`${label}.mlpNorm`, [layer.mlpNorm]),
      gateUp: this.#gateUp(`${label}.gateUp`, [gate, up], option),
      gateUpBias: bias('gateUpBias', [gate, up]),
      down: this.matrix(`${label}.down`, [down], option),
      downBias: bias('downBias', [down]),
    };
  }

  /** A part of its own for gate and up would interleave their outputs, so they are fused only within one part. */
  #gateUp(label: string, linears: readonly LinearSpec[], option: WeightsOption): readonly MatrixPlan[] {
    const fused = this.#fusedWhereSame(label, linears, option);
    if (fused.every((matrix) => matrix.rows <= matrix.rowsPerPart)) return fused;
    return linears.map((linear) => this.matrix(label, [linear], option));
  }

  #fusedWhereSame(
    label: string,
    linears: readonly LinearSpec[],
    option: WeightsOption,
  ): readonly MatrixPlan[] {
    const [first, ...others] = linears.map((linear) => this.#format(linear, option));
    if (first && others.every((format) => isSameFormat(format, first))) {
      return [this.matrix(label, linears, option)];
    }
    return linears.map((linear) => this.matrix(label, [linear], option));
  }

  /** One matrix with the rows of all `linears`, which have the same columns and format. */
  matrix(label: string, linears: readonly LinearSpec[], option: WeightsOption): MatrixPlan {
    const [first] = linears;
    invariant(first, `${label}: a matrix needs at least one tensor`);
    const { columns } = first;
    const format = this.#format(first, option);
    const sections: MatrixSection[] = [];
    let rows = 0;
    for (const linear of linears) {
      invariant(linear.columns === columns, `${label}: fused matrices must have the same columns`);
      const { weight, quantization } = linear;
      const quantized = quantization && {
        scales: this.#entry(quantization.scales),
        biases: this.#entry(quantization.biases),
      };
      sections.push({ firstRow: rows, rows: linear.rows, weight: this.#entry(weight), quantized });
      rows += linear.rows;
    }
    return { label, rows, columns, format, sections, rowsPerPart: this.#rowsPerPart(label, format, columns) };
  }

  vector(label: string, specs: readonly TensorSpec[]): VectorPlan {
    let length = 0;
    const sections = specs.map((spec) => {
      const section = { first: length, entry: this.#entry(spec) };
      length += spec.shape[0] ?? 0;
      return section;
    });
    return { label, length, sections };
  }

  #format({ quantization, weight, columns }: LinearSpec, option: WeightsOption): MatrixFormat {
    if (quantization) {
      return quantizedFormat(
        quantization,
        this.#entry(quantization.scales),
        this.#entry(quantization.biases),
      );
    }
    const stored = floatKindOf(this.#entry(weight));
    invariant(stored, `${weight.name} is neither quantised nor of a float type`);
    // What a quantised checkpoint leaves unquantised, it leaves so on purpose.
    return chosenFormat(stored, columns, this.#input.config.quantization ? 'stored' : option);
  }

  #rowsPerPart(label: string, format: MatrixFormat, columns: number): number {
    const limit = this.#input.maxPartBytes;
    const bytes = Math.max(rowBytes(format, columns), rowScaleBytes(format, columns));
    const rows = Math.floor(limit / bytes);
    if (rows === 0) {
      throw new AppError(
        'limit-exceeded',
        `${label}: one row takes ${bytes} bytes; this device binds at most ${limit} at once. Choose another model.`,
        { details: { label, bytes, limit } },
      );
    }
    return rows >= 32 ? rows - (rows % 32) : rows;
  }

  #entry(spec: TensorSpec): TensorEntry {
    const entry = this.#input.entries.get(spec.name);
    invariant(entry, `tensor ${spec.name} has been checked to exist`);
    return entry;
  }
}
