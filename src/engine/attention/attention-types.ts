/** What a caller chooses of attention, and what the engine says of it. */

/** Chosen per engine, changeable between and inside generations; every policy fills the same interface. The sparse ones
 *  attend to the first and last tokens and to a few between; HashAttention is the one to use, the others are there to
 *  compare it with. */
export type AttentionOptions = { readonly mode: 'dense' } | SparseAttentionOptions;

export type SparseAttentionOptions =
  | HashAttentionOptions
  | OracleAttentionOptions
  | RandomAttentionOptions
  | StreamingAttentionOptions;

interface SparseOptions {
  /** First and last tokens that are always attended to; 128 each unless told. */
  readonly sink?: number;
  readonly window?: number;
  /** How the tokens that are not selected enter: not at all; as one token, their mean; or every 1024 tokens as one, the
   *  mean of those. "blocks" unless told when layer 0 is dense, else "none". */
  readonly tail?: 'none' | 'mean' | 'blocks';
  /** Layers that attend to everything; layer 0 unless told. */
  readonly denseLayers?: readonly number[];
  /** Contexts of fewer tokens are attended to densely. Unless told: under HashAttention where this device begins to gain
   *  from it (`AttentionFacts.crossoverTokens`), never where the maps do not fit; under the others 0. */
  readonly denseBelow?: number;
}

interface SelectingOptions extends SparseOptions {
  /** Tokens selected besides sink and window: a fraction of the context (1/16 unless told) or a number. */
  readonly budget?: { readonly fraction: number } | { readonly tokens: number };
  /** How the budget is spread: the same in every layer, or in proportion to these numbers, one per layer. Sparse layers
   *  have the budget on average, so that all together select no more tokens than under equal budgets, but for less than one
   *  in each by rounding; what a fraction is beyond the whole context in one goes to the others.
   *  "uniform" unless told. */
  readonly layerBudgets?: 'uniform' | readonly number[];
}

/** HashAttention (arXiv:2412.14468): learned signatures pick the tokens to attend to. Uses the maps in the model's
 *  hash_attention.safetensors, or random projections where it has none. */
export interface HashAttentionOptions extends Omit<SelectingOptions, 'layerBudgets'> {
  readonly mode: 'hash';
  /** As under the other policies, or "maps": as the file of the signature maps says, where it does. "maps" unless told. */
  readonly layerBudgets?: 'maps' | NonNullable<SelectingOptions['layerBudgets']>;
  /** How a query is compared with signatures; as the maps were trained unless told. */
  readonly score?: 'asymmetric' | 'hamming';
  /** One list of tokens for all query heads of a KV head, or, as published, one for each; 'kv-head' unless told. */
  readonly lists?: 'kv-head' | 'query-head';
}

/** The tokens to which dense attention gives most weight, summed over the query heads of a KV head: the ceiling of what
 *  selection can reach. Slower than dense, as it computes all weights first. */
export interface OracleAttentionOptions extends SelectingOptions {
  readonly mode: 'oracle';
}

/** Tokens drawn afresh for every step, layer and KV head; the same for the same seed (0 unless told). */
export interface RandomAttentionOptions extends SelectingOptions {
  readonly mode: 'random';
  readonly seed?: number;
}

/** First and last tokens only (arXiv:2309.17453): the floor. */
export interface StreamingAttentionOptions extends SparseOptions {
  readonly mode: 'streaming';
}

/** What HashAttention is on this model and device, under the options in force, or the standard ones while it is not in
 *  use. */
export interface AttentionFacts {
  /** From this many tokens of context on a step is faster than a dense one, by measurement on this device; null: nowhere
   *  within the planned context. */
  readonly crossoverTokens: number | null;
  /** Maps from the model's hash_attention.safetensors, those given to `useSignatures`, or random projections. */
  readonly maps: 'trained' | 'learned' | 'untrained';
  /** Set where the maps were trained for something else than what runs. HashAttention is then off unless `denseBelow`
   *  is given. */
  readonly mapsWarning?: string;
  /** How maps are compared with queries unless told; bits of a signature; heads that have a key map of their own. */
  readonly score: 'asymmetric' | 'hamming';
  readonly bits: 32 | 64;
  readonly sharing: 'kv-head' | 'query-head';
  /** How much of the budget each layer needs, 1 on average, as the maps say; null where they do not. */
  readonly layerBudgets: readonly number[] | null;
}
