/** The specification of place-scales: bits of one value per group into the pairs. */

/** @param values bits of f16 scales or biases; pairs: one word per group, scale low, bias high. */
export function placeF16Reference(
  pairs: Uint32Array,
  values: ArrayLike<number>,
  slot: 'scale' | 'bias',
  firstGroup: number,
): void {
  const halves = new Uint16Array(pairs.buffer);
  for (let i = 0; i < values.length; i++) {
    halves[2 * (firstGroup + i) + (slot === 'scale' ? 0 : 1)] = values[i]!;
  }
}

/** @param pairs two values per group, scale then bias. */
export function placeF32Reference(
  pairs: Float32Array,
  values: ArrayLike<number>,
  slot: 'scale' | 'bias',
  firstGroup: number,
): void {
  for (let i = 0; i < values.length; i++) {
    pairs[2 * (firstGroup + i) + (slot === 'scale' ? 0 : 1)] = values[i]!;
  }
}
