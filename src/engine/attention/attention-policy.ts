/** How one layer chooses what to attend to. A layer is the same list of operations under every policy; only these
 *  dispatches differ. A new policy is a file here and a choice in `SparseAttentions`. */
import type { Arena } from '../../kernels/runtime/arena.ts';
import type { Dispatch } from '../../kernels/runtime/dispatch.ts';
import type { Tensor } from '../../kernels/runtime/tensor.ts';
import type { AttentionOptions } from '../api.ts';
import type { Activation } from '../network/activations.ts';
import type { LayerCache } from '../network/kv-cache.ts';

/** What a policy may read and must write for one layer's decode step. */
export interface AttentionLayer {
  readonly index: number;
  readonly step: Tensor;
  /** f32 [qHeads · headDim], rotated. */
  readonly query: Tensor;
  /** The current token's key and value are already in it, at `step.position`. */
  readonly cache: LayerCache;
  readonly capacity: number;
  /** f32 [qHeads · headDim]: the result. */
  readonly attended: Activation;
}

/** The tokens attended to out of `contextTokens`: [0, sinkEnd), [windowStart, contextTokens) and `selected` of those
 *  between, as kernels/shared/budget.wgsl counts them. */
export interface AttendedSet {
  readonly sinkEnd: number;
  readonly windowStart: number;
  readonly selected: number;
}

/** Where the tokens that a layer selected are to be read. */
export interface SelectedTokens {
  /** Run after the layer's `attend`, in the same step, they fill `tokenLists`; often there is nothing left to do. */
  readonly dispatches: readonly Dispatch[];
  /** u32 [lists, list capacity]: ascending; as many as `AttendedSet.selected` says. One list per KV head, or one per query
   *  head. */
  readonly tokenLists: Tensor;
}

export interface AttentionPolicy {
  readonly name: AttentionOptions['mode'];
  /** It reads rows of keys and values here and there: the products before it read ahead. */
  readonly isScattered: boolean;
  /** The dispatches from rotated query to attended values. */
  attend(arena: Arena, layer: AttentionLayer): readonly Dispatch[];
  /** Tokens that a layer attends to per KV head when the context holds `contextTokens`. */
  attendedTokens(contextTokens: number, layer: number): number;
  attendedSet(contextTokens: number, layer: number): AttendedSet;
  /** On request, for whoever looks into a step; absent where nothing is selected. */
  selectedTokens?(arena: Arena, layer: AttentionLayer): SelectedTokens;
  /** Bytes that one layer's step must read, each once, when the context holds `contextTokens`: keys and values attended
   *  to, and what it takes to choose them. */
  bytesRead(contextTokens: number, layer: number): number;
}
