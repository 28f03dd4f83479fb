/** Every tensor the config implies: its name in Hugging Face checkpoints, its shape, the dtypes accepted. */
import { AppError } from '../errors.ts';
import type { ModelConfig } from './config.ts';
import { type AffineQuantization, quantizationOf } from './quantization-config.ts';
import type { SafetensorsDtype, TensorEntry } from './safetensors.ts';

export interface TensorSpec {
  /** Name in the checkpoint. */
  readonly name: string;
  /** Our own name, e.g. `layers[3].query.weight`. */
  readonly role: string;
  readonly shape: readonly number[];
  readonly dtypes: readonly SafetensorsDtype[];
}

/** A matrix [rows, columns] applied to a vector of `columns`, with what belongs to it. */
export interface LinearSpec {
  /** Name of the module in the checkpoint, e.g. `model.layers.3.self_attn.q_proj`. */
  readonly module: string;
  readonly role: string;
  readonly rows: number;
  readonly columns: number;
  /** Unquantised: [rows, columns]. Quantised: u32 [rows, columns · bits / 32], low bits first along the columns. */
  readonly weight: TensorSpec;
  /** scales and biases: [rows, columns / groupSize]; w = scale · q + bias. */
  readonly quantization:
    | (AffineQuantization & { readonly scales: TensorSpec; readonly biases: TensorSpec })
    | null;
  /** [rows], added to the product. */
  readonly bias: TensorSpec | null;
}

export interface LayerManifest {
  readonly attentionNorm: TensorSpec;
  readonly query: LinearSpec;
  readonly key: LinearSpec;
  readonly value: LinearSpec;
  /** [headDim], shared by all heads. */
  readonly queryNorm: TensorSpec | null;
  readonly keyNorm: TensorSpec | null;
  readonly output: LinearSpec;
  readonly mlpNorm: TensorSpec;
  readonly gate: LinearSpec;
  readonly up: LinearSpec;
  readonly down: LinearSpec;
}

export interface WeightManifest {
  readonly embedding: LinearSpec;
  readonly layers: readonly LayerManifest[];
  readonly finalNorm: TensorSpec;
  /** null: tied, the embedding serves as head. */
  readonly head: LinearSpec | null;
  /** All of the above, flat. */
  readonly tensors: readonly TensorSpec[];
}

const floats: readonly SafetensorsDtype[] = ['F32', 'F16', 'BF16'];

/** @throws AppError "file-malformed" when a module's quantisation does not fit its shape. */
export function weightManifest(config: ModelConfig, file = 'config.json'): WeightManifest {
  const { hidden, vocab, headDim, qHeads, kvHeads, ffn, biases } = config;
  const tensors: TensorSpec[] = [];

  const tensor = (
    name: string,
    role: string,
    shape: readonly number[],
    dtypes: readonly SafetensorsDtype[] = floats,
  ): TensorSpec => {
    const spec = { name, role, shape, dtypes };
    tensors.push(spec);
    return spec;
  };
  const linear = (
    module: string,
    role: string,
    rows: number,
    columns: number,
    hasBias = false,
  ): LinearSpec => {
    const affine = quantizationOf(config.quantization, module, columns, file);
    const bias = () => (hasBias ? tensor(`${module}.bias`, `${role}.bias`, [rows]) : null);
    const shared = { module, role, rows, columns };
    if (affine === null) {
      const weight = tensor(`${module}.weight`, `${role}.weight`, [rows, columns]);
      return { ...shared, weight, quantization: null, bias: bias() };
    }
    const words = (columns * affine.bits) / 32;
    const groups = columns / affine.groupSize;
    const weight = tensor(`${module}.weight`, `${role}.weight`, [rows, words], ['U32']);
    const scales = tensor(`${module}.scales`, `${role}.scales`, [rows, groups]);
    const offsets = tensor(`${module}.biases`, `${role}.biases`, [rows, groups]);
    return { ...shared, weight, quantization: { ...affine, scales, biases: offsets }, bias: bias() };
  };
  const layer = (index: number): LayerManifest => {
    const module = `model.layers.${index}`;
    const role = `layers[${index}]`;
    const headNorm = (name: string, normRole: string) =>
      config.hasQkNorm
        ? tensor(`${module}.self_attn.${name}.weight`, `${role}.${normRole}`, [headDim])
        : null;
    const attention = (name: string, mapRole: string, rows: number, columns: number, hasBias: boolean) =>
      linear(`${module}.self_attn.${name}`, `${role}.${mapRole}`, rows, columns, hasBias);
    const mlp = (name: string, mapRole: string, rows: number, columns: number) =>
      linear(`${module}.mlp.${name}`, `${role}.${mapRole}`, rows, columns, biases.mlp);
    return {
      attentionNorm: tensor(`${module}.input_layernorm.weight`, `${role}.attentionNorm`, [hidden]),
      query: attention('q_proj', 'query', qHeads * headDim, hidden, biases.qkv),
      key: attention('k_proj', 'key', kvHeads * headDim, hidden, biases.qkv),
      value: attention('v_proj', 'value', kvHeads * headDim, hidden, biases.qkv),
      queryNorm: headNorm('q_norm', 'queryNorm'),
      keyNorm: headNorm('k_norm', 'keyNorm'),
      output: attention('o_proj', 'output', hidden, qHeads * headDim, biases.output),
      mlpNorm: tensor(`${module}.post_attention_layernorm.weight`, `${role}.mlpNorm`, [hidden]),
      gate: mlp('gate_proj', 'gate', ffn, hidden),
      up: mlp('up_proj', 'up', ffn, hidden),
      down: mlp('down_proj', 'down', hidden, ffn),
    };
  };

  return {
    embedding: linear('model.embed_tokens', 'embedding', vocab, hidden),
    layers: Array.from({ length: config.layers }, (_, index) => layer(index)),
    finalNorm: tensor('model.norm.weight', 'finalNorm', [hidden]),
    head: config.isTied ? null : linear('lm_head', 'head', vocab, hidden),
    tensors,
  };
}

/** Finds every tensor of the manifest among the files' entries. Tensors that cannot matter are ignored: rotary
 *  frequencies, and the head of a tied model. Returns name → entry, for the manifest's tensors only.
 *  @throws AppError "file-malformed": a tensor missing, of another shape or dtype;
 *  "model-unsupported": a tensor inside the layers we compute that the config does not account for. */
export function checkTensors(
  manifest: WeightManifest,
  entries: readonly TensorEntry[],
): ReadonlyMap<string, TensorEntry> {
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const files = [...new Set(entries.map((entry) => entry.file))].sort();
  const found = new Map<string, TensorEntry>();
  for (const spec of manifest.tensors) {
    const entry = byName.get(spec.name);
    if (entry === undefined) throw missing(spec, files);
    if (!spec.dtypes.includes(entry.dtype) || !isSameShape(spec.shape, entry.shape))
      throw mismatch(spec, entry);
    found.set(spec.name, entry);
  }
  refuseUnaccounted(manifest, entries, found);
  return found;
}

/** A bias, norm or adapter the config is silent about would be left out of the computation: wrong answers. */
function refuseUnaccounted(
  manifest: WeightManifest,
  entries: readonly TensorEntry[],
  found: ReadonlyMap<string, TensorEntry>,
): void {
  const computed = [manifest.embedding.module, ...(manifest.head ? [manifest.head.module] : [])];
  const isInside = (name: string) => {
    const index = /^model\.layers\.(\d+)\./.exec(name)?.[1];
    if (index !== undefined) return Number(index) < manifest.layers.length && !name.includes('.rotary_emb.');
    return computed.some((module) => name.startsWith(`${module}.`));
  };
  const extra = entries.find(({ name }) => !found.has(name) && isInside(name));
  if (extra === undefined) return;
  throw new AppError(
    'model-unsupported',
    `${extra.file}: tensor ${extra.name} (${formatTensor(extra.dtype, extra.shape)}) is not accounted for by ` +
      'config.json; without it the answers would be wrong. Choose another model.',
    { details: { file: extra.file, tensor: extra.name } },
  );
}

function missing(spec: TensorSpec, files: readonly string[]): AppError {
  const where = files.length === 0 ? 'the checkpoint' : files.join(', ');
  return new AppError(
    'file-malformed',
    `${where}: tensor ${spec.name} is missing; expected ${formatTensor(spec.dtypes.join('|'), spec.shape)} ` +
      `for ${spec.role}. The files do not match config.json; check both, or choose another model.`,
    { details: { file: where, tensor: spec.name } },
  );
}

function mismatch(spec: TensorSpec, entry: TensorEntry): AppError {
  return new AppError(
    'file-malformed',
    `${entry.file}: tensor ${spec.name} (${spec.role}): ` +
      `expected ${formatTensor(spec.dtypes.join('|'), spec.shape)}, got ${formatTensor(entry.dtype, entry.shape)}. ` +
      'The file does not match config.json; check both, or choose another model.',
    { details: { file: entry.file, tensor: spec.name } },
  );
}

function isSameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

function formatTensor(dtype: string, shape: readonly number[]): string {
  return `${dtype}[${shape.join(', ')}]`;
}
