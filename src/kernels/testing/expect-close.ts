/** Element-wise comparison against a bound per element; reports the first bad element and how many are bad. */
export function expectClose(
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  bound: (index: number) => number,
  what: string,
): void {
  if (got.length !== expected.length) {
    throw new Error(`${what}: expected ${expected.length} elements, got ${got.length}`);
  }
  let bad = 0;
  let first = '';
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(got[i]! - expected[i]!);
    if (difference <= bound(i)) continue; // NaN fails the comparison, as it should
    bad++;
    first ||= `[${i}]: expected ${expected[i]}, got ${got[i]}, difference ${difference}, bound ${bound(i)}`;
  }
  if (bad > 0) throw new Error(`${what}: ${bad} of ${expected.length} elements out of bound; first ${first}`);
}

/** Rounding unit of f32. */
export const unitF32 = 2 ** -24;

/** Bound of a dot product of `terms` products summed in any order: (terms + extra) · u · Σ|aᵢbᵢ| (Higham 2002, §3.1).
 *  WGSL may reassociate and fuse, so bit equality is never asked for. */
export function dotBound(terms: number, sumOfMagnitudes: number, extra = 4): number {
  return (terms + extra) * unitF32 * sumOfMagnitudes + 1e-30;
}
