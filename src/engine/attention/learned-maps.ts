/** Signature maps learned here for a model, in place of its own; lives as long as the engine. */
import type { ModelFolder } from '../source/storage/stored-model.ts';

export interface LearnedMaps {
  /** Where the browser keeps the model's files; null where it keeps none. */
  readonly folder: ModelFolder | null;
  /** hash_attention.safetensors; null: none were learned; undefined: the folder was not asked yet. */
  bytes?: Uint8Array<ArrayBuffer> | null;
}
