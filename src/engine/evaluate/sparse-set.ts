/** How many tokens a policy attends to. */
import { attendedOf, type HashChoices } from '../attention/hash-choices.ts';

export interface SparseSet {
  /** Chosen besides sink and window. */
  readonly selected: number;
  /** In all. */
  readonly attended: number;
}

export function sparseSetOf(choices: HashChoices, n: number): SparseSet {
  const { selected, attended } = attendedOf(choices, n);
  return { selected, attended };
}
