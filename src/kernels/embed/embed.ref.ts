/** out[row] = W[tokens[row]]; zeros for a token beyond the vocabulary.
 *  weights: [vocab, hidden], dequantised. */
export function embedReference(
  weights: ArrayLike<number>,
  hidden: number,
  tokens: ArrayLike<number>,
): Float64Array {
  const vocab = weights.length / hidden;
  const out = new Float64Array(tokens.length * hidden);
  for (let row = 0; row < tokens.length; row++) {
    const token = tokens[row]!;
    if (token >= vocab) continue;
    for (let column = 0; column < hidden; column++) {
      out[row * hidden + column] = weights[token * hidden + column]!;
    }
  }
  return out;
}
