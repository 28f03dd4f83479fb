/** What the products of one layer read ahead for the attention of the next. */
import type { ReadAhead } from '../../kernels/mat-vec/mat-vec.ts';
import type { AttentionPolicy } from '../attention/attention-policy.ts';
import type { DecodeActivations } from './activations.ts';
import type { KvCache } from './kv-cache.ts';

export interface LayerAhead {
  readonly key: ReadAhead;
  readonly value: ReadAhead;
}

export interface AheadInput {
  readonly act: Pick<DecodeActivations, 'step'>;
  readonly cache: Pick<KvCache, 'byteLength' | 'layer'>;
  /** One per layer. */
  readonly policies: readonly Pick<AttentionPolicy, 'isScattered'>[];
  /** Bytes of all keys and values from which products read ahead; unless told, as measured. */
  readonly aheadFrom?: number;
}

/** Smaller caches of keys and values keep all their addresses translated: an H200 has translations for some 5 GB. */
const leastBytes = 2 ** 31;

/** Of the layer `index`, where it reads rows here and there and the caches are large. */
export function aheadOf(
  { act, cache, policies, aheadFrom = leastBytes }: AheadInput,
  index: number,
): LayerAhead | undefined {
  if (!policies[index]?.isScattered || cache.byteLength < aheadFrom) return undefined;
  const { key, value } = cache.layer(index);
  const { step } = act;
  return { key: { cache: key, step }, value: { cache: value, step } };
}
