/** What `engine.probe` gives: one decode step looked into, sparse attention beside dense on the same inputs. */

export interface ProbeOptions {
  /** Which token of the context to process again; the last one processed unless told. */
  readonly position?: number;
  readonly signal?: AbortSignal;
}

/** A step of the present context, run again under the present attention options. The step that chose the token at
 *  `position + 1`. */
export interface Probe {
  readonly position: number;
  /** Text of each token processed so far, in order; together they are the context's text, special tokens written out.
   *  A character of several tokens stands with the last of them. */
  readonly pieces: readonly string[];
  readonly layers: readonly ProbedLayer[];
}

/** Attention of one layer. A dense layer attends to everything: no lists, all mass caught, no error. */
export interface ProbedLayer {
  readonly isDense: boolean;
  /** Tokens before `sinkEnd` and from `windowStart` to `position` are attended to by every list. */
  readonly sinkEnd: number;
  readonly windowStart: number;
  /** One per KV head, or one per query head. */
  readonly lists: readonly ProbedList[];
  readonly heads: readonly ProbedHead[];
}

export interface ProbedList {
  /** Tokens selected, ascending. */
  readonly tokens: Uint32Array;
  /** Share of the tokens with the most dense attention, summed over the list's heads, that it selected: as many as it
   *  selected, of the same candidates. Null when it selects none. */
  readonly recall: number | null;
}

/** One query head. */
export interface ProbedHead {
  /** Share of its dense attention that falls on the tokens attended to. */
  readonly mass: number;
  /** |sparse − dense| / |dense| of its output. */
  readonly outputError: number;
}
