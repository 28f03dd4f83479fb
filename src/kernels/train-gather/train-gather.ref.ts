/** The specification of train-gather. */

/** @param keys values of the halves, [kvHeads, capacity, headDim]
 *  @returns [kvHeads, tokens, headDim] */
export function gatherKeysReference(
  keys: ArrayLike<number>,
  { tokens, kvHeads, headDim, capacity }: Record<'tokens' | 'kvHeads' | 'headDim' | 'capacity', number>,
): Float64Array {
  return Float64Array.from({ length: kvHeads * tokens * headDim }, (_, i) => {
    const head = Math.floor(i / (tokens * headDim));
    return keys[head * capacity * headDim + (i % (tokens * headDim))]!;
  });
}

/** Changes row i of `out` [positions, width] to the row of token positions[i], where the chunk holds it.
 *  @param chunk rows [tokens, width] of tokens first … */
export function gatherRowsReference(
  out: Float64Array,
  positions: ArrayLike<number>,
  chunk: { readonly first: number; readonly rows: ArrayLike<number>; readonly width: number },
): void {
  const { first, rows, width } = chunk;
  for (let i = 0; i < positions.length; i++) {
    const row = positions[i]! - first;
    if (row < 0 || row * width >= rows.length) continue;
    for (let d = 0; d < width; d++) out[i * width + d] = rows[row * width + d]!;
  }
}
