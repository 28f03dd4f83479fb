/** Attention to a few of the tokens, for one set of options: a policy and what it keeps beside the KV cache. */
import type { Arena } from '../../kernels/runtime/arena.ts';
import type { AttentionPolicy } from './attention-policy.ts';
import type { SparseChoices } from './sparse-choices.ts';

export interface SparseAttention {
  readonly choices: SparseChoices;
  /** GPU memory held, maps not included. */
  readonly byteLength: number;
  /** Makes what is kept right for the first `tokens` cached tokens and the cache's present capacity. Returns whether
   *  buffers were replaced (dispatch lists are then stale).
   *  @throws AppError "out-of-memory". */
  catchUp(tokens: number): Promise<boolean>;
  /** Steps up to this many tokens have been submitted. */
  advance(tokens: number): void;
  /** The cache was cut back to this many tokens. */
  truncate(tokens: number): void;
  /** The policy of every layer that is not dense, after `catchUp`; the buffers its layers share live in `arena`. */
  policy(arena: Arena): AttentionPolicy;
  dispose(): void;
}
