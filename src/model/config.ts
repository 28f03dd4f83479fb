/** What the network is: every dimension, named once, read from a Hugging Face config.json. */
import { AppError } from '../errors.ts';
import { JsonFields } from './json-fields.ts';
import { parseQuantizationConfig, type QuantizationConfig } from './quantization-config.ts';
import { parseRopeConfig, type RopeConfig } from './rope-config.ts';

export type ModelType = 'llama' | 'mistral' | 'qwen2' | 'qwen3';

export interface ModelConfig {
  readonly modelType: ModelType;
  /** Width of the residual stream. */
  readonly hidden: number;
  readonly layers: number;
  readonly qHeads: number;
  /** Divides qHeads. */
  readonly kvHeads: number;
  /** Even, 32 to 256. */
  readonly headDim: number;
  /** Width inside the MLP. */
  readonly ffn: number;
  /** Rows of the embedding; may exceed the tokenizer's vocabulary. */
  readonly vocab: number;
  /** Added to the mean square in every RMS norm. */
  readonly normEps: number;
  /** Tokens of context the model was trained for. */
  readonly trainedContext: number;
  /** Attention in some layer reaches back this many tokens only; null: all the way. */
  readonly slidingWindow: number | null;
  readonly rope: RopeConfig;
  /** Which linear maps have a bias; `mlp`: gate, up and down. */
  readonly biases: { readonly qkv: boolean; readonly output: boolean; readonly mlp: boolean };
  /** Query and key heads are RMS-normalised before rotation (Qwen 3). */
  readonly hasQkNorm: boolean;
  /** The output head is the embedding. */
  readonly isTied: boolean;
  readonly bosTokenId: number | null;
  readonly eosTokenIds: readonly number[];
  /** null: stored unquantised. */
  readonly quantization: QuantizationConfig | null;
}

const modelTypes: readonly ModelType[] = ['llama', 'mistral', 'qwen2', 'qwen3'];

/** Fields of relatives of the supported models that would change the computation. */
const refusedFields = ['num_experts', 'num_local_experts', 'n_routed_experts', 'kv_lora_rank', 'q_lora_rank'];

/** @param json parsed config.json; file: its name, for messages.
 *  @throws AppError "model-unsupported" naming what this engine does not compute,
 *  "file-malformed" naming a field that is missing, ill typed or contradictory. */
export function parseModelConfig(json: unknown, file = 'config.json'): ModelConfig {
  const fields = new JsonFields(json, file);
  const modelType = parseModelType(fields);
  refuseWhatChangesTheMaths(fields);
  const hidden = fields.integer('hidden_size', 1);
  const layers = fields.integer('num_hidden_layers', 1);
  const qHeads = fields.integer('num_attention_heads', 1);
  const kvHeads = parseKvHeads(fields, modelType, qHeads);
  const trainedContext = fields.integer('max_position_embeddings', 1);
  const bos = fields.tokenIds('bos_token_id');
  return {
    modelType,
    hidden,
    layers,
    qHeads,
    kvHeads,
    headDim: parseHeadDim(fields, modelType, hidden, qHeads),
    ffn: fields.integer('intermediate_size', 1),
    vocab: fields.integer('vocab_size', 1),
    normEps: fields.number('rms_norm_eps', 'a number above 0', (value) => value > 0),
    trainedContext,
    slidingWindow: parseSlidingWindow(fields, modelType, layers),
    rope: parseRopeConfig(fields, trainedContext),
    biases: parseBiases(fields, modelType),
    hasQkNorm: modelType === 'qwen3',
    isTied: fields.boolean('tie_word_embeddings', false),
    bosTokenId: bos[0] ?? null,
    eosTokenIds: fields.tokenIds('eos_token_id'),
    quantization: parseQuantizationConfig(fields),
  };
}

function parseModelType(fields: JsonFields): ModelType {
  const name = fields.string('model_type');
  const modelType = modelTypes.find((known) => known === name);
  if (modelType === undefined) throw fields.unsupported('model_type', `the types ${modelTypes.join(', ')}`);
  return modelType;
}

function refuseWhatChangesTheMaths(fields: JsonFields): void {
  if (fields.has('hidden_act') && fields.get('hidden_act') !== 'silu') {
    throw fields.unsupported('hidden_act', 'the activation "silu"');
  }
  for (const key of refusedFields) {
    if (fields.has(key) && fields.get(key) !== 0) throw fields.unsupported(key, 'dense models without it');
  }
}

function parseKvHeads(fields: JsonFields, modelType: ModelType, qHeads: number): number {
  // Llama files older than grouped-query attention lack the field: one KV head per query head.
  if (modelType === 'llama' && !fields.has('num_key_value_heads')) return qHeads;
  const kvHeads = fields.integer('num_key_value_heads', 1);
  if (qHeads % kvHeads !== 0) {
    throw fields.malformed('num_key_value_heads', `a divisor of num_attention_heads (${qHeads})`);
  }
  return kvHeads;
}

function parseHeadDim(fields: JsonFields, modelType: ModelType, hidden: number, qHeads: number): number {
  if (!fields.has('head_dim') && modelType !== 'qwen3' && hidden % qHeads !== 0) {
    throw fields.malformed(
      'hidden_size',
      `a multiple of num_attention_heads (${qHeads}), head_dim being absent`,
    );
  }
  const whenAbsent = modelType === 'qwen3' ? 128 : hidden / qHeads;
  const headDim = fields.has('head_dim') ? fields.integer('head_dim', 1) : whenAbsent;
  if (headDim < 32 || headDim > 256 || headDim % 2 !== 0) {
    throw new AppError(
      'model-unsupported',
      `${fields.file}: the head size is ${headDim}; this engine supports even sizes from 32 to 256. ` +
        'Choose another model.',
      { details: { file: fields.file, headDim } },
    );
  }
  return headDim;
}

function parseBiases(fields: JsonFields, modelType: ModelType): ModelConfig['biases'] {
  const mlp = modelType === 'llama' && fields.boolean('mlp_bias', false);
  switch (modelType) {
    case 'qwen2':
      return { qkv: true, output: false, mlp };
    case 'mistral':
      return { qkv: false, output: false, mlp };
    case 'llama':
    case 'qwen3': {
      const attention = fields.boolean('attention_bias', false);
      return { qkv: attention, output: attention, mlp };
    }
    default:
      throw modelType satisfies never;
  }
}

function parseSlidingWindow(fields: JsonFields, modelType: ModelType, layers: number): number | null {
  const layerTypes = parseLayerTypes(fields, layers);
  const someLayerSlides = layerTypes?.includes('sliding_attention') ?? false;
  if (!someLayerSlides) {
    if (!fields.boolean('use_sliding_window', true)) return null;
    if (layerTypes !== null && modelType.startsWith('qwen')) return null;
    // Mistral's window is on unless the file says null.
    if (modelType === 'mistral' && fields.get('sliding_window') === undefined) return 4096;
    if (!fields.has('sliding_window')) return null;
  }
  return fields.integer('sliding_window', 1);
}

function parseLayerTypes(fields: JsonFields, layers: number): readonly unknown[] | null {
  if (!fields.has('layer_types')) return null;
  const types = fields.get('layer_types');
  if (!Array.isArray(types) || types.length !== layers) {
    throw fields.malformed('layer_types', `a list of ${layers} names`);
  }
  const known = ['full_attention', 'sliding_attention'];
  if (!types.every((type) => known.includes(type))) {
    throw fields.unsupported('layer_types', 'full_attention and sliding_attention');
  }
  return types;
}
