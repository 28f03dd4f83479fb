/** Distances by plain loops and selection by sorting: the specification of select-tokens. */
import { selectTokens, type TokenBudget, tokenRanges } from '../hash-reference/token-set.ref.ts';

export interface SelectTokensInput {
  readonly planes: number;
  readonly words: number;
  /** Weight of a plane p: 2^{exponents[p]}. */
  readonly exponents: readonly number[];
  readonly lists: number;
  /** The head whose signatures a plane of a list is compared with. */
  readonly headOf: (list: number, plane: number) => number;
  /** [lists, planes, words] */
  readonly queryPlanes: Uint32Array;
  /** [heads, capacity, words] */
  readonly signatures: Uint32Array;
  readonly capacity: number;
  /** Tokens in the context, the current one included. */
  readonly n: number;
  readonly budget: TokenBudget;
}

/** @returns of each list the selected tokens, ascending */
export function selectTokensReference(input: SelectTokensInput): number[][] {
  const ranges = tokenRanges(input.n, input.budget);
  return Array.from({ length: input.lists }, (_, list) => selectTokens(distancesOf(input, list), ranges));
}

/** @returns of every token of the context, [n] */
function distancesOf(input: SelectTokensInput, list: number): Uint32Array {
  const { planes, words, exponents, queryPlanes, signatures, capacity, n } = input;
  const distances = new Uint32Array(n);
  for (let plane = 0; plane < planes; plane++) {
    const head = input.headOf(list, plane);
    for (let word = 0; word < words; word++) {
      const wanted = queryPlanes[(list * planes + plane) * words + word]!;
      for (let token = 0; token < n; token++) {
        const differing = bitsSetIn(wanted ^ signatures[(head * capacity + token) * words + word]!);
        distances[token]! += differing * 2 ** exponents[plane]!;
      }
    }
  }
  return distances;
}

function bitsSetIn(word: number): number {
  let count = 0;
  for (let rest = word; rest !== 0; rest &= rest - 1) count++;
  return count;
}
