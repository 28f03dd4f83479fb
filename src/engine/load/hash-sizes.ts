/** What HashAttention will take beside weights and cache, from the header of the maps' file. */
import { blockSumsShape } from '../../kernels/shared/token-blocks.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { TensorEntry } from '../../model/safetensors.ts';
import { bytesSource } from '../source/bytes-source.ts';
import type { ModelSource } from '../source/model-source.ts';
import { readLearnedFile } from '../source/storage/learned-file.ts';
import type { ModelFolder } from '../source/storage/stored-model.ts';
import { readSafetensorsHeader } from './weight-headers.ts';

export interface HashSizes {
  readonly mapBytes: number;
  /** Of a token's signatures in one layer. */
  readonly signatureBytes: number;
}

const file = 'hash_attention.safetensors';

/** Of maps learned in the browser, of the model's own, or of random projections of 32 bits where there are neither.
 *  @throws AppError as `readSafetensorsHeader` and the source do; the maps themselves are checked when they are loaded. */
export async function readHashSizes(
  source: ModelSource,
  config: ModelConfig,
  signal: AbortSignal | undefined,
): Promise<HashSizes> {
  const { folder } = source;
  const learned = folder && (await learnedSizes(folder, config).catch(() => null)); // unfit: not used either
  return learned ?? (await fileSizes(source, config, signal)) ?? randomSizes(config);
}

async function learnedSizes(folder: ModelFolder, config: ModelConfig): Promise<HashSizes | null> {
  const bytes = await readLearnedFile(folder);
  return bytes && fileSizes(bytesSource('learned signatures', file, bytes), config, undefined);
}

function randomSizes({ layers, qHeads, kvHeads, headDim }: ModelConfig): HashSizes {
  return {
    mapBytes: layers * (qHeads + kvHeads) * 32 * (2 * headDim + 4),
    signatureBytes: 4 * kvHeads,
  };
}

/** Null where there is no file. */
async function fileSizes(
  source: ModelSource,
  { qHeads, kvHeads }: ModelConfig,
  signal: AbortSignal | undefined,
): Promise<HashSizes | null> {
  const stat = await source.stat(file, { signal });
  if (!stat) return null;
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
