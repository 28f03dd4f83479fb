/** What the products of one layer read ahead for the attention of the next. */
import type { ReadAhead } from '../../kernels/mat-vec/mat-vec.ts';
import type { DecodeStepInput } from './decode-step.ts';

export interface LayerAhead {
  readonly key: ReadAhead;
  readonly value: ReadAhead;
}

/** Smaller caches of keys and values keep all their addresses translated: an H200 has translations for some 5 GB. */
const leastBytes = 2 ** 31;

/** Of the layer `index`, where it reads rows here and there and the caches are large. */
export function aheadOf(input: DecodeStepInput, index: number): LayerAhead | undefined {
  const { cache, policies, act, aheadFrom = leastBytes } = input;
  if (!policies[index]?.isScattered || cache.byteLength < aheadFrom) return undefined;
  const { key, value } = cache.layer(index);
  const { step } = act;
  return { key: { cache: key, step }, value: { cache: value, step } };
}
