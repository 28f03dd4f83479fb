/** What evaluation compares: an attention policy and the signature maps it goes by. */
import { AppError } from '../../errors.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { HashAttentionOptions } from '../api.ts';
import { type HashChoices, hashChoices } from '../attention/hash-choices.ts';
import type { ModelHashMaps } from '../attention/model-hash-maps.ts';
import type { GpuHashMaps } from '../load/gpu-hash-maps.ts';

type Budget = Omit<HashAttentionOptions, 'mode' | 'score' | 'lists'>;

export type RowOptions =
  | { readonly mode: 'dense' }
  | HashAttentionOptions
  | (Budget & { readonly mode: 'oracle' })
  | (Budget & { readonly mode: 'random'; readonly seed?: number })
  | (Omit<Budget, 'budget'> & { readonly mode: 'streaming' });

/** One way to attend. Evaluations of the same object share what is built for it. */
export interface RowPolicy {
  readonly options: RowOptions;
  /** For HashAttention. */
  readonly maps?: ModelHashMaps;
}

/** A sparse policy's choices, complete. */
export interface RowPlan {
  readonly choices: HashChoices;
  readonly denseLayers: ReadonlySet<number>;
  readonly selector:
    | { readonly kind: 'hash'; readonly maps: GpuHashMaps }
    | { readonly kind: 'oracle' }
    | { readonly kind: 'random'; readonly seedOf: (layer: number) => number };
  readonly lists: number;
}

/** Null: dense everywhere. `denseBelow` has no meaning here: every row is sparse.
 *  @throws AppError "invalid-request" naming the option. */
export function planRows({ options, maps }: RowPolicy, config: ModelConfig): RowPlan | null {
  const { qHeads, kvHeads, layers } = config;
  if (options.mode === 'dense') return null;
  const facts = maps?.facts ?? { score: 'asymmetric', queryBits: 4, sharing: 'kv-head' };
  const given = options.mode === 'streaming' ? { ...options, budget: { tokens: 0 } } : options;
  const choices = hashChoices({ ...given, mode: 'hash' }, facts, layers);
  const plan = { choices, denseLayers: new Set(choices.denseLayers), lists: kvHeads };
  switch (options.mode) {
    case 'hash':
      if (!maps)
        throw new AppError('invalid-request', 'HashAttention is evaluated with signature maps; none given.');
      return {
        ...plan,
        selector: { kind: 'hash', maps: maps.maps },
        lists: choices.lists === 'kv-head' ? kvHeads : qHeads,
      };
    case 'oracle':
      return { ...plan, selector: { kind: 'oracle' } };
    case 'random': {
      const seed = options.seed ?? 0;
      return { ...plan, selector: { kind: 'random', seedOf: (layer) => layerSeed(seed, layer) } };
    }
    case 'streaming':
      return { ...plan, selector: { kind: 'random', seedOf: () => 0 } };
    default:
      return options satisfies never;
  }
}

/** Seeds of layers lie apart by an odd constant, the golden ratio of 2^32, so that none repeats. */
function layerSeed(seed: number, layer: number): number {
  return (seed + Math.imul(layer, 0x9e3779b9)) >>> 0;
}
