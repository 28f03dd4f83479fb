/** What a HashAttention step must read at least, by formula. */
import { mapBiasBytes, mapWeightBytes } from '../src/kernels/shared/signature-map.ts';
import { blockTokens, type TailKind } from '../src/kernels/shared/token-blocks.ts';

export interface HashStepSizes {
  readonly context: number;
  readonly kvHeads: number;
  readonly group: number;
  /** Of both maps; the first is headDim, the last the bits. */
  readonly widths: readonly number[];
  /** Tokens selected: ⌊context / denominator⌋. */
  readonly denominator: number;
  readonly tail?: TailKind;
}

/** Tokens of the sink, and of the window. */
export const edgeTokens = 128;

/** Bytes per layer, each once: maps, signatures, rows of K and V attended to, a tail's sums of blocks. */
export function hashStepBytes({ tail = 'none', ...sizes }: HashStepSizes): number {
  const { context, kvHeads, group, widths, denominator } = sizes;
  const maps = [kvHeads * group, kvHeads]
    .map((heads) => mapWeightBytes(heads, widths) + mapBiasBytes(heads, widths))
    .reduce((sum, bytes) => sum + bytes);
  const signatures = (kvHeads * context * widths.at(-1)!) / 8;
  const attended = Math.min(context, Math.floor(context / denominator) + 2 * edgeTokens);
  const blocks = tail === 'none' ? 0 : Math.ceil(context / blockTokens);
  return maps + signatures + kvHeads * (attended * 4 + blocks * 8) * widths[0]!;
}
