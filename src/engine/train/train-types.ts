/** What `engine.trainSignatures` takes and gives. */
import type { TrainProgress } from './train-signatures.ts';

export interface TrainRequest {
  /** Texts to learn from, one after another. */
  readonly text: readonly string[];
  /** `learningDefaults` of the model's plan unless told; 0, with `from`: those maps again, and which layers need more
   *  of a budget than others, as this text shows. */
  readonly steps?: number;
  /** Tokens of the longest sequences read; signatures are relied on in contexts up to this length. */
  readonly longest?: number;
  /** Same seed, same signatures on the same device; 1 unless told. */
  readonly seed?: number;
  /** Of an interrupted training with the same options and text: goes on from there. */
  readonly checkpoint?: Uint8Array<ArrayBuffer>;
  /** hash_attention.safetensors of this model, as training writes it: begins from its maps with all steps yet to do, where
   *  no checkpoint is given. Random maps unless told. */
  readonly from?: Uint8Array<ArrayBuffer>;
  /** Interrupts after the step under way: a checkpoint comes, then AppError "aborted"; before the first step, that alone. */
  readonly signal?: AbortSignal;
}

export type TrainEvent =
  | TrainProgress
  /** maps: hash_attention.safetensors. */
  | { readonly kind: 'finished'; readonly maps: Uint8Array<ArrayBuffer> };

/** How long a choice of signatures holds: also when the model is loaded again from this browser, or in this engine alone,
 *  and why. */
export type SignaturesKept =
  | { readonly kind: 'browser' }
  | { readonly kind: 'session'; readonly reason: string };
