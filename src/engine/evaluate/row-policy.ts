/** What evaluation compares: an attention policy and the signature maps it goes by. */
import { AppError } from '../../errors.ts';
import type { TailProxy } from '../../kernels/attend-rows/attend-proxies.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { AttentionOptions } from '../api.ts';
import { type HashChoices, hashChoices } from '../attention/hash-choices.ts';
import type { ModelHashMaps } from '../attention/model-hash-maps.ts';
import { type SparseChoices, sparseChoices } from '../attention/sparse-choices.ts';
import type { GpuHashMaps } from '../load/gpu-hash-maps.ts';

/** One way to attend. Evaluations of the same object share what is built for it. */
export interface RowPolicy {
  /** `denseBelow` has no meaning here: every row is sparse. */
  readonly options: AttentionOptions;
  /** For HashAttention. */
  readonly maps?: ModelHashMaps;
  /** In place of the tail that decoding has; for evaluation alone. */
  readonly proxy?: TailProxy;
}

/** A sparse policy, complete. */
export interface RowPlan {
  readonly choices: SparseChoices;
  readonly proxy: TailProxy | null;
  readonly selector:
    | { readonly kind: 'hash'; readonly choices: HashChoices; readonly maps: GpuHashMaps }
    | { readonly kind: 'oracle' }
    | { readonly kind: 'random'; readonly seedOf: (layer: number) => number }
    | { readonly kind: 'none' };
  readonly lists: number;
}

/** Null: dense everywhere.
 *  @throws AppError "invalid-request" naming the option. */
export function planRows(policy: RowPolicy, config: ModelConfig): RowPlan | null {
  const { options, maps } = policy;
  const { qHeads, kvHeads, layers } = config;
  if (options.mode === 'dense') return null;
  const own = { proxy: policy.proxy ?? null };
  if (options.mode === 'hash') {
    if (!maps)
      throw new AppError('invalid-request', 'HashAttention is evaluated with signature maps; got none.');
    const choices = hashChoices(options, maps.facts, layers);
    const lists = choices.lists === 'kv-head' ? kvHeads : qHeads;
    return { ...own, choices, lists, selector: { kind: 'hash', choices, maps: maps.maps } };
  }
  const plan = { ...own, choices: sparseChoices(options, layers), lists: kvHeads };
  switch (options.mode) {
    case 'oracle':
      return { ...plan, selector: { kind: 'oracle' } };
    case 'random': {
      const seed = options.seed ?? 0;
      return { ...plan, selector: { kind: 'random', seedOf: (layer) => (seed + layer * kvHeads) >>> 0 } };
    }
    case 'streaming':
      return { ...plan, selector: { kind: 'none' } };
    default:
      return options satisfies never;
  }
}

export function isSparseLayer({ choices }: RowPlan, layer: number): boolean {
  return !choices.denseLayers.includes(layer);
}
