/** Sums of rows per block of tokens in double precision: the specification of block-sums. */
export interface BlockSumsInput {
  /** Values of the cached halves, [kvHeads, capacity, headDim]. */
  readonly keys: ArrayLike<number>;
  readonly values: ArrayLike<number>;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly capacity: number;
  /** Tokens that are valid. */
  readonly length: number;
  readonly blockTokens: number;
}

/** @returns f64 [kvHeads, ⌈capacity / blockTokens⌉, 2, headDim]: K, then V, 0 for blocks without a valid token; and the
 *  same with magnitudes. */
export function blockSumsReference(input: BlockSumsInput): { sums: Float64Array; magnitudes: Float64Array } {
  const { keys, values, kvHeads, headDim, capacity, length, blockTokens } = input;
  const blocks = Math.ceil(capacity / blockTokens);
  const sums = new Float64Array(kvHeads * blocks * 2 * headDim);
  const magnitudes = new Float64Array(sums.length);
  for (let kvHead = 0; kvHead < kvHeads; kvHead++) {
    for (let token = 0; token < length; token++) {
      const out = (kvHead * blocks + Math.floor(token / blockTokens)) * 2 * headDim;
      for (let d = 0; d < headDim; d++) {
        const row = (kvHead * capacity + token) * headDim;
        sums[out + d]! += keys[row + d]!;
        sums[out + headDim + d]! += values[row + d]!;
        magnitudes[out + d]! += Math.abs(keys[row + d]!);
        magnitudes[out + headDim + d]! += Math.abs(values[row + d]!);
      }
    }
  }
  return { sums, magnitudes };
}
