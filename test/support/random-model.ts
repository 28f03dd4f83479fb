/** Models and signature maps with random weights, of any shape: files as a source gives them. */

import type { MapStage } from '../../src/kernels/hash-reference/signature-map.ref.ts';
import { floatFromHalf, halfFromFloat } from '../../src/kernels/shared/half.ts';
import type { Random } from '../../src/kernels/testing/random.ts';
import { hashMapsFile } from '../../src/model/hash-maps.ts';
import { type TensorData, writeSafetensors } from '../../src/model/write-safetensors.ts';
import { encode } from './checkpoint.ts';

export interface ModelShape {
  readonly layers: number;
  readonly qHeads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

export interface MapsShape extends ModelShape {
  readonly sharing: 'kv-head' | 'query-head';
  readonly score: 'asymmetric' | 'hamming';
  readonly queryBits: number;
  /** Outputs of each stage; the last is the signature's bits. */
  readonly stages: readonly number[];
  /** As the file says it; silent unless told. */
  readonly layerBudgets?: readonly number[];
}

const [hidden, ffn, vocab] = [64, 96, 256];

/** A llama whose products keep the size of what goes in. */
export function randomModel(
  random: Random,
  { layers, qHeads, kvHeads, headDim }: ModelShape,
): Map<string, Uint8Array<ArrayBuffer>> {
  const config = {
    ...{ model_type: 'llama', hidden_act: 'silu', rms_norm_eps: 1e-5, max_position_embeddings: 4096 },
    ...{ hidden_size: hidden, intermediate_size: ffn, vocab_size: vocab, num_hidden_layers: layers },
    ...{ num_attention_heads: qHeads, num_key_value_heads: kvHeads, head_dim: headDim, rope_theta: 10000 },
  };
  const matrix = (name: string, rows: number, columns: number): TensorData => {
    const values = random.normals(rows * columns, 1 / Math.sqrt(columns));
    return { name: `${name}.weight`, dtype: 'F32', shape: [rows, columns], bytes: encode(values, 'F32') };
  };
  const gain = (name: string): TensorData => {
    const values = random.normals(hidden, 0.1).map((value) => 1 + value);
    return { name: `${name}.weight`, dtype: 'F32', shape: [hidden], bytes: encode(values, 'F32') };
  };
  const tensors = [
    matrix('model.embed_tokens', vocab, hidden),
    matrix('lm_head', vocab, hidden),
    gain('model.norm'),
    ...Array.from({ length: layers }, (_, i) => `model.layers.${i}`).flatMap((layer) => [
      gain(`${layer}.input_layernorm`),
      gain(`${layer}.post_attention_layernorm`),
      matrix(`${layer}.self_attn.q_proj`, qHeads * headDim, hidden),
      matrix(`${layer}.self_attn.k_proj`, kvHeads * headDim, hidden),
      matrix(`${layer}.self_attn.v_proj`, kvHeads * headDim, hidden),
      matrix(`${layer}.self_attn.o_proj`, hidden, qHeads * headDim),
      matrix(`${layer}.mlp.gate_proj`, ffn, hidden),
      matrix(`${layer}.mlp.up_proj`, ffn, hidden),
      matrix(`${layer}.mlp.down_proj`, hidden, ffn),
    ]),
  ];
  return new Map([
    ['config.json', new TextEncoder().encode(JSON.stringify(config))],
    ['model.safetensors', writeSafetensors(tensors)],
  ]);
}

export interface LayerMaps {
  /** As the file holds them, rounded to half precision. */
  readonly query: readonly MapStage[];
  readonly key: readonly MapStage[];
}

/** Maps for a model of this shape: the file's name, its bytes, and the same by layer. */
export function randomHashMaps(
  random: Random,
  { layers, qHeads, kvHeads, headDim, sharing, score, queryBits, stages, layerBudgets }: MapsShape,
): { readonly file: readonly [string, Uint8Array<ArrayBuffer>]; readonly layers: readonly LayerMaps[] } {
  const tensors: TensorData[] = [];
  const halves = (values: Float32Array) => values.map((value) => floatFromHalf(halfFromFloat(value)));
  const mapOf = (name: string, heads: number): MapStage[] =>
    stages.map((outputs, stage) => {
      const inputs = stage === 0 ? headDim : stages[stage - 1]!;
      const weight = halves(random.normals(heads * outputs * inputs, 1.5 / Math.sqrt(inputs)));
      const bias = halves(random.normals(heads * outputs, 0.3));
      const add = (part: string, shape: readonly number[], values: Float32Array<ArrayBuffer>) =>
        tensors.push({ name: `${name}.${stage}.${part}`, dtype: 'F16', shape, bytes: encode(values, 'F16') });
      add('weight', [heads, outputs, inputs], weight);
      add('bias', [heads, outputs], bias);
      return { inputs, outputs, weight, bias };
    });
  const maps = Array.from({ length: layers }, (_, layer) => ({
    query: mapOf(`layers.${layer}.query`, qHeads),
    key: mapOf(`layers.${layer}.key`, sharing === 'kv-head' ? kvHeads : qHeads),
  }));
  const metadata = {
    ...{ format: 'hash-attention', version: '1', activation: 'silu', model: 'random' },
    ...{ bits: String(stages.at(-1)), sharing, score, query_bits: String(queryBits), trained_length: '4096' },
    ...(layerBudgets ? { layer_budgets: JSON.stringify(layerBudgets) } : {}),
  };
  return { file: [hashMapsFile, writeSafetensors(tensors, metadata)], layers: maps };
}
