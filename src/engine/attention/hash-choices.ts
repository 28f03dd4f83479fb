/** HashAttention's options, checked and complete. */
import type { HashAttentionOptions } from '../api.ts';
import { invalidOption, type SparseChoices, sparseChoices } from './sparse-choices.ts';

export interface HashChoices extends SparseChoices {
  readonly score: 'asymmetric' | 'hamming';
  readonly queryBits: number;
  readonly lists: 'kv-head' | 'query-head';
}

/** What the maps say of themselves; random projections compare best as 4-bit queries. */
export interface MapFacts {
  readonly score: 'asymmetric' | 'hamming';
  readonly queryBits: number;
  readonly sharing: 'kv-head' | 'query-head';
  /** As HashMaps.layerBudgets. */
  readonly layerBudgets: readonly number[] | null;
}

/** @throws AppError "invalid-request" naming the option. */
export function hashChoices(options: HashAttentionOptions, facts: MapFacts, layers: number): HashChoices {
  const score = options.score ?? facts.score;
  const lists = options.lists ?? 'kv-head';
  if (score === 'asymmetric' && facts.sharing === 'query-head' && lists === 'kv-head') {
    throw invalidOption(
      'lists',
      '"kv-head"',
      '"query-head": these maps give every query head its own signatures, which asymmetric scores cannot share',
    );
  }
  return { ...sparseChoices(options, layers, facts.layerBudgets), score, queryBits: facts.queryBits, lists };
}
