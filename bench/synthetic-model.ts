/** A network of any shape with random weights made on the GPU: times without a checkpoint. */

import { untrainedMaps } from '../src/engine/attention/model-hash-maps.ts';
import type { GpuWeights, LayerWeights } from '../src/engine/load/gpu-weights.ts';
import { Network } from '../src/engine/network/network.ts';
import { Arena } from '../src/kernels/runtime/arena.ts';
import type { Gpu } from '../src/kernels/runtime/gpu.ts';
import type { MatrixFormat } from '../src/kernels/runtime/matrix.ts';
import type { Tensor } from '../src/kernels/runtime/tensor.ts';
import { type ModelConfig, parseModelConfig } from '../src/model/config.ts';
import { prepareFill } from './ceiling.ts';
import { makeMatrix } from './mat-vec.bench.ts';

const q4: MatrixFormat = { kind: 'q4', groupSize: 32, scales: 'f16' };
const q8: MatrixFormat = { kind: 'q8', groupSize: 32, scales: 'f16' };

/** The shape of Llama-3.1-8B. */
export const llama8b = parseModelConfig({
  model_type: 'llama',
  hidden_size: 4096,
  intermediate_size: 14336,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  head_dim: 128,
  vocab_size: 128256,
  max_position_embeddings: 131072,
  rms_norm_eps: 1e-5,
  rope_theta: 500000,
  hidden_act: 'silu',
});

export async function createSyntheticNetwork(
  gpu: Gpu,
  config: ModelConfig,
  plannedContext: number,
): Promise<Network> {
  const weights = await randomWeights(gpu, config);
  return Network.create({
    gpu,
    config,
    weights,
    rope: config.rope,
    plannedContext,
    openHashMaps: async () => untrainedMaps(gpu, config),
  });
}

async function randomWeights(gpu: Gpu, config: ModelConfig): Promise<GpuWeights> {
  const arena = new Arena(gpu);
  const fill = await prepareFill(gpu);
  const { hidden, ffn, vocab, qHeads, kvHeads, headDim } = config;
  let seed = 1;
  const matrix = (label: string, rows: number, columns: number, format: MatrixFormat) =>
    makeMatrix(arena, fill, label, { rows, columns, format }, seed++);
  const ones = (label: string): Tensor =>
    arena.tensorFrom(label, 'f32', [hidden], new Float32Array(hidden).fill(1));
  const layers = Array.from({ length: config.layers }, (_, index): LayerWeights => {
    const name = (part: string): string => `layer[${index}].${part}`;
    return {
      attentionNorm: ones(name('attentionNorm')),
      qkv: [matrix(name('qkv'), (qHeads + 2 * kvHeads) * headDim, hidden, q4)],
      qkvBias: null,
      queryNorm: null,
      keyNorm: null,
      output: matrix(name('output'), hidden, qHeads * headDim, q4),
      outputBias: null,
      mlpNorm: ones(name('mlpNorm')),
      gateUp: [matrix(name('gateUp'), 2 * ffn, hidden, q4)],
      gateUpBias: null,
      down: matrix(name('down'), hidden, ffn, q4),
      downBias: null,
    };
  });
  return {
    embedding: matrix('embedding', vocab, hidden, q8),
    head: matrix('head', vocab, hidden, q8),
    finalNorm: ones('finalNorm'),
    layers,
    get byteLength() {
      return arena.byteLength;
    },
    dispose: () => arena.dispose(),
  };
}
