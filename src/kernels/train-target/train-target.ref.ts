/** The specification of train-target in double precision. */

export interface TargetInput {
  /** [lists · heads, rows, tokens] */
  readonly products: ArrayLike<number>;
  readonly positions: ArrayLike<number>;
  readonly lists: number;
  readonly heads: number;
  readonly tokens: number;
  readonly sink: number;
  readonly window: number;
  readonly scale: number;
}

/** Candidates of a query at `position`: [sink, position + 1 − window). */
export function candidateRange(
  position: number,
  { sink, window }: { readonly sink: number; readonly window: number },
): { readonly begin: number; readonly end: number } {
  return { begin: sink, end: Math.max(sink, position + 1 - window) };
}

/** @returns [lists, rows, tokens] */
export function targetReference(input: TargetInput): Float64Array {
  const { products, positions, lists, heads, tokens, scale } = input;
  const rows = positions.length;
  const out = new Float64Array(lists * rows * tokens);
  for (let head = 0; head < lists * heads; head++) {
    for (let row = 0; row < rows; row++) {
      const start = (head * rows + row) * tokens;
      const seen = Array.from(
        { length: positions[row]! + 1 },
        (_, token) => scale * products[start + token]!,
      );
      const largest = seen.reduce((a, b) => Math.max(a, b));
      const sum = seen.reduce((total, logit) => total + Math.exp(logit - largest), 0);
      const { begin, end } = candidateRange(positions[row]!, input);
      for (let token = begin; token < end; token++) {
        const at = (Math.floor(head / heads) * rows + row) * tokens + token;
        out[at]! += Math.exp(seen[token]! - largest) / sum;
      }
    }
  }
  return out;
}
