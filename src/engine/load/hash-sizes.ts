/** What HashAttention will take beside weights and cache, from the header of the maps' file. */
import { blockSumsShape } from '../../kernels/shared/token-blocks.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { TensorEntry } from '../../model/safetensors.ts';
import type { ModelSource } from '../source/model-source.ts';
import { readSafetensorsHeader } from './weight-headers.ts';

export interface HashSizes {
  readonly mapBytes: number;
  /** Of a token's signatures in one layer. */
  readonly signatureBytes: number;
}

const file = 'hash_attention.safetensors';

/** Random projections of 32 bits where there is no such file.
 *  @throws AppError as `readSafetensorsHeader` and the source do; the maps themselves are checked when they are loaded. */
export async function readHashSizes(
  source: ModelSource,
  config: ModelConfig,
  signal: AbortSignal | undefined,
): Promise<HashSizes> {
  const { layers, qHeads, kvHeads, headDim } = config;
  const stat = await source.stat(file, { signal });
  if (!stat) {
    const mapBytes = layers * (qHeads + kvHeads) * 32 * (2 * headDim + 4);
    return { mapBytes, signatureBytes: 4 * kvHeads };
  }
  const { metadata, entries } = await readSafetensorsHeader(source, file, stat.size, signal);
  const heads = metadata.get('sharing') === 'query-head' ? qHeads : kvHeads;
  const words = metadata.get('bits') === '64' ? 2 : 1;
  return {
    mapBytes: entries.reduce((sum, entry) => sum + tensorBytes(entry), 0),
    signatureBytes: 4 * words * heads,
  };
}

/** Weights become f16, biases f32. */
function tensorBytes({ shape }: TensorEntry): number {
  return shape.reduce((product, size) => product * size, shape.length === 3 ? 2 : 4);
}

/** Maps, and the signatures and block sums of a whole context, should no layer be dense. */
export function hashBytesOf(
  { mapBytes, signatureBytes }: HashSizes,
  config: ModelConfig,
  tokens: number,
): number {
  const { layers, kvHeads, headDim } = config;
  const sums = blockSumsShape(kvHeads, tokens, headDim).reduce((product, size) => product * size, 4);
  return mapBytes + layers * (tokens * signatureBytes + sums);
}
