/** Which layers need more of a budget of tokens than others, and how a file of signature maps says it. */
import { hashMapsFile } from '../../model/hash-maps.ts';
import { parseSafetensorsHeader } from '../../model/safetensors.ts';
import { writeSafetensors } from '../../model/write-safetensors.ts';
import type { LayerRecall } from './recall.ts';

/** Of the mean, what every layer has. */
const leastShare = 0.1;

/** One number per layer, of mean 1: in proportion to the attention that signatures miss beside the best choice of as many
 *  tokens. */
export function layerBudgets(layers: readonly LayerRecall[]): number[] {
  const missed = layers.map(({ mass, bestMass }) => Math.max(0, bestMass - mass));
  const mean = meanOf(missed);
  const shares = missed.map((each) => (mean > 0 ? Math.max(leastShare, each / mean) : 1));
  // four digits are more than the measurement has
  return shares.map((share) => Math.round((1e4 * share) / meanOf(shares)) / 1e4);
}

/** The same maps, with these budgets in place of any they came with.
 *  @param file hash_attention.safetensors */
export function withLayerBudgets(
  file: Uint8Array<ArrayBuffer>,
  budgets: readonly number[],
): Uint8Array<ArrayBuffer> {
  const { metadata, entries } = parseSafetensorsHeader(file, { file: hashMapsFile, fileSize: file.length });
  const tensors = entries.map(({ begin, end, ...tensor }) => ({
    ...tensor,
    bytes: file.subarray(begin, end),
  }));
  return writeSafetensors(tensors, { ...Object.fromEntries(metadata), ...budgetsMetadata(budgets) });
}

/** As `parseHashMaps` reads it. */
export function budgetsMetadata(budgets: readonly number[]): { readonly layer_budgets: string } {
  return { layer_budgets: JSON.stringify(budgets) };
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
