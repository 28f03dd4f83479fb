/** Tokens in a block whose keys and values are summed; as in token-blocks.wgsl. */
export const blockTokens = 1024;

/** How the candidates that are not attended to enter the softmax: not at all; as one token, their mean; or each block of
 *  tokens as one, the mean of all that are in it. */
export const tailKinds = ['none', 'mean', 'blocks'] as const;
export type TailKind = (typeof tailKinds)[number];

/** Shape of the f32 sums of K and V of every block of a layer's cache: K, then V. */
export function blockSumsShape(kvHeads: number, capacity: number, headDim: number): readonly number[] {
  return [kvHeads, Math.ceil(capacity / blockTokens), 2, headDim];
}
