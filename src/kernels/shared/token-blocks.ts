/** Tokens in a block whose keys and values are summed; as in token-blocks.wgsl. */
export const blockTokens = 1024;

/** Shape of the f32 sums of K and V of every block of a layer's cache: K, then V. */
export function blockSumsShape(kvHeads: number, capacity: number, headDim: number): readonly number[] {
  return [kvHeads, Math.ceil(capacity / blockTokens), 2, headDim];
}
