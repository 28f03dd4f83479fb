/** The specification of train-sum in double precision.
 *  @param values [outer, terms, inner]
 *  @returns [outer, inner] */
export function sumReference(
  values: ArrayLike<number>,
  { outer, terms, inner }: { readonly outer: number; readonly terms: number; readonly inner: number },
): Float64Array {
  return Float64Array.from({ length: outer * inner }, (_, sum) => {
    const first = Math.floor(sum / inner) * terms * inner + (sum % inner);
    let total = 0;
    for (let term = 0; term < terms; term++) total += values[first + term * inner]!;
    return total;
  });
}
