/** The policies that an evaluation compares, by name and budget. */
import type { AttentionOptions } from '../src/engine/api.ts';
import type { ModelHashMaps } from '../src/engine/attention/model-hash-maps.ts';
import type { RowPolicy } from '../src/engine/evaluate/row-policy.ts';

/** hash: scores as the maps were trained; hamming: one-bit queries against the same maps; per-query-head: the same with a
 *  list for every query head. */
export const selectors = ['hash', 'hamming', 'per-query-head', 'oracle', 'random', 'streaming'] as const;
export type Selector = (typeof selectors)[number];

export interface PolicyName {
  readonly selector: Selector | 'dense';
  /** Name of the maps; empty where none are used. */
  readonly maps: string;
  /** Of the context, besides sink and window; 0 for streaming, 1 for dense. */
  readonly fraction: number;
  /** The unselected tokens as one, and layer 0 dense; or neither. */
  readonly tail: boolean;
}

export interface NamedPolicy extends RowPolicy {
  readonly name: PolicyName;
}

export const dense: NamedPolicy = {
  name: { selector: 'dense', maps: '', fraction: 1, tail: false },
  options: { mode: 'dense' },
};

const isHashed = (selector: Selector): boolean => !['oracle', 'random', 'streaming'].includes(selector);

/** Every selector but streaming, with all maps where it uses any, at every fraction. */
export function policyGrid(
  chosen: readonly Selector[],
  maps: ReadonlyMap<string, ModelHashMaps>,
  fractions: readonly number[],
  tail: boolean,
): NamedPolicy[] {
  return fractions.flatMap((fraction) =>
    chosen
      .filter((selector) => selector !== 'streaming')
      .flatMap((selector) => {
        const entries = isHashed(selector) ? [...maps] : [['', undefined] as const];
        return entries.map(([name, own]) => namedPolicy(selector, name, own, fraction, tail));
      }),
  );
}

/** Sink and window alone, where it is among the chosen. */
export function streaming(chosen: readonly Selector[], tail: boolean): NamedPolicy[] {
  return chosen.includes('streaming') ? [namedPolicy('streaming', '', undefined, 0, tail)] : [];
}

function namedPolicy(
  selector: Selector,
  mapsName: string,
  maps: ModelHashMaps | undefined,
  fraction: number,
  tail: boolean,
): NamedPolicy {
  const edges = { sink: 128, window: 128, tail, denseLayers: tail ? [0] : [] };
  const budgeted = { ...edges, budget: { fraction } };
  const name = { selector, maps: mapsName, fraction, tail };
  return { name, options: optionsOf(selector, edges, budgeted), ...(maps ? { maps } : {}) };
}

function optionsOf(
  selector: Selector,
  edges: { sink: number; window: number; tail: boolean; denseLayers: number[] },
  budgeted: typeof edges & { budget: { fraction: number } },
): AttentionOptions {
  switch (selector) {
    case 'hash':
      return { ...budgeted, mode: 'hash' };
    case 'hamming':
      return { ...budgeted, mode: 'hash', score: 'hamming' };
    case 'per-query-head':
      return { ...budgeted, mode: 'hash', score: 'hamming', lists: 'query-head' };
    case 'oracle':
      return { ...budgeted, mode: 'oracle' };
    case 'random':
      return { ...budgeted, mode: 'random', seed: 1 };
    case 'streaming':
      return { ...edges, mode: 'streaming' };
    default:
      return selector satisfies never;
  }
}

/** "hash trained 1/16 +tail" and the like. */
export function policyLabel({ selector, maps, fraction, tail }: PolicyName): string {
  const parts = [selector, maps, fractionLabel(fraction), tail ? '+tail' : ''];
  return parts.filter((part) => part !== '').join(' ');
}

export function fractionLabel(fraction: number): string {
  if (fraction === 0 || fraction === 1) return '';
  return Number.isInteger(1 / fraction) ? `1/${1 / fraction}` : String(fraction);
}
