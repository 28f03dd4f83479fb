/** Every buffer a step writes between reading the token and choosing the next, allocated once.
 *  f32 throughout; widths in the names of docs/architecture.md. */

import type { Arena } from '../../kernels/runtime/arena.ts';
import { rowStride } from '../../kernels/runtime/matrix.ts';
import type { Tensor } from '../../kernels/runtime/tensor.ts';
import { type Packable, packedBytes } from '../../kernels/shared/packed-vector.ts';
import type { ModelConfig } from '../../model/config.ts';
import { createStepBuffer } from './step.ts';

/** A vector and, in a network whose products round their inputs, the same as its one reader takes it: as integers, times the
 *  gain of the reader's norm (kernels/shared/packed-vector.ts). Whoever makes the vector makes both. */
export type Activation = Tensor & Packable;

/** One row each, allocated and zero up to the row stride of the matrix that reads it. */
export interface DecodeActivations {
  readonly step: Tensor;
  /** u32 [1]: the token to process next; the sampler writes it. */
  readonly token: Tensor;
  readonly residual: Tensor;
  /** Query, key and value before rope; used only where the product that makes them cannot rotate them. */
  readonly qkv: Tensor;
  readonly query: Tensor;
  readonly attended: Activation;
  /** The residual again, as the MLP reads it. */
  readonly mlpInput: Activation;
  /** And once more, as it leaves a layer: for the next one, or the head. */
  readonly layerOutput: Activation;
  /** Gate and up; used only where their formats differ and they cannot be fused. */
  readonly gateUp: Tensor;
  readonly activated: Activation;
  readonly logits: Tensor;
}

/** `tokens` rows each. */
export interface PrefillActivations {
  readonly tokens: number;
  readonly step: Tensor;
  /** u32 [tokens]. */
  readonly ids: Tensor;
  readonly residual: Tensor;
  readonly normed: Tensor;
  readonly qkv: Tensor;
  readonly query: Tensor;
  readonly attended: Tensor;
  readonly gateUp: Tensor;
  readonly activated: Tensor;
}

interface Widths {
  readonly qkv: number;
  readonly query: number;
}

function widthsOf(config: ModelConfig): Widths {
  const query = config.qHeads * config.headDim;
  return { query, qkv: query + 2 * config.kvHeads * config.headDim };
}

/** Which vectors are left packed: what products make, and what attention makes. */
export interface PackedActivations {
  readonly products: boolean;
  readonly attention: boolean;
}

export function createDecodeActivations(
  arena: Arena,
  config: ModelConfig,
  packs: PackedActivations,
): DecodeActivations {
  const widths = widthsOf(config);
  const row = (name: string, width: number): Tensor => arena.tensor(name, 'f32', [1, rowStride(width)]);
  const packed = (name: string, width: number, isPacked: boolean): Pick<Activation, 'packed'> =>
    isPacked ? { packed: arena.tensor(`${name}.packed`, 'u32', [packedBytes(width) / 4]) } : {};
  const residual = row('residual', config.hidden);
  return {
    step: createStepBuffer(arena, 'step'),
    token: arena.tensor('token', 'u32', [1]),
    residual,
    qkv: row('qkv', widths.qkv),
    query: row('query', widths.query),
    attended: { ...row('attended', widths.query), ...packed('attended', widths.query, packs.attention) },
    mlpInput: { ...residual, ...packed('mlpInput', config.hidden, packs.products) },
    layerOutput: { ...residual, ...packed('layerOutput', config.hidden, packs.products) },
    gateUp: row('gateUp', 2 * config.ffn),
    activated: { ...row('activated', config.ffn), ...packed('activated', config.ffn, packs.products) },
    logits: row('logits', config.vocab),
  };
}

export function createPrefillActivations(
  arena: Arena,
  config: ModelConfig,
  tokens: number,
): PrefillActivations {
  const widths = widthsOf(config);
  const rows = (name: string, width: number): Tensor =>
    arena.tensor(`prefill.${name}`, 'f32', [tokens, width]);
  return {
    tokens,
    step: createStepBuffer(arena, 'prefill.step'),
    ids: arena.tensor('prefill.ids', 'u32', [tokens]),
    residual: rows('residual', config.hidden),
    normed: rows('normed', config.hidden),
    qkv: rows('qkv', widths.qkv),
    query: rows('query', widths.query),
    attended: rows('attended', widths.query),
    gateUp: rows('gateUp', 2 * config.ffn),
    activated: rows('activated', config.ffn),
  };
}

/** Bytes of one prefill row, for choosing how many fit. */
export function prefillRowBytes(config: ModelConfig): number {
  const widths = widthsOf(config);
  return 4 * (2 * config.hidden + widths.qkv + 2 * widths.query + 3 * config.ffn + 1);
}
