/** How one layer chooses what to attend to. A layer is the same list of operations under every policy; only these
 *  dispatches differ. A new policy is a file here and a choice in `Network`. */
import type { Arena } from '../../kernels/runtime/arena.ts';
import type { Dispatch } from '../../kernels/runtime/dispatch.ts';
import type { Tensor } from '../../kernels/runtime/tensor.ts';
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
  readonly attended: Tensor;
}

export interface AttentionPolicy {
  readonly name: 'dense' | 'hash';
  /** The dispatches from rotated query to attended values. */
  attend(arena: Arena, layer: AttentionLayer): readonly Dispatch[];
  /** Tokens attended per KV head when the context holds `contextTokens`. */
  attendedTokens(contextTokens: number): number;
}
