/** How a policy chooses tokens, where a list of them is all that differs: oracle, random, none. */
import type { Arena } from '../../kernels/runtime/arena.ts';
import type { Dispatch } from '../../kernels/runtime/dispatch.ts';
import type { BufferSlice } from '../../kernels/runtime/tensor.ts';
import type { AttentionLayer } from './attention-policy.ts';

export interface TokenSelector {
  /** `arena` holds the scratch that layers share; the returned function gives one layer's dispatches. */
  prepare(
    arena: Arena,
    target: {
      /** A layer's uniform `Budget`. */
      readonly budgetOf: (layer: number) => BufferSlice;
      readonly capacity: number;
      /** u32 [kvHeads, listCapacity]: receives the selected candidates, ascending. */
      readonly list: BufferSlice;
      readonly listCapacity: number;
    },
  ): (own: Arena, layer: AttentionLayer) => readonly Dispatch[];
  /** Bytes that one layer must read to choose among `contextTokens`. */
  bytesRead(contextTokens: number): number;
}

/** Nothing between sink and window is selected. */
export const noSelector: TokenSelector = {
  prepare: () => () => [],
  bytesRead: () => 0,
};
