/** The policies that an evaluation compares, by name and budget. */
import type { AttentionOptions } from '../src/engine/api.ts';
import type { ModelHashMaps } from '../src/engine/attention/model-hash-maps.ts';
import type { RowPolicy } from '../src/engine/evaluate/row-policy.ts';
import { proxyKinds, proxyRanges, type TailProxy } from '../src/kernels/attend-rows/attend-proxies.ts';
import type { TailKind } from '../src/kernels/shared/token-blocks.ts';

/** hash: scores as the maps were trained; hamming: one-bit queries against the same maps; per-query-head: the same with a
 *  list for every query head. */
export const selectors = ['hash', 'hamming', 'per-query-head', 'oracle', 'random', 'streaming'] as const;
export type Selector = (typeof selectors)[number];

/** What becomes of the tokens left out: a mean for each block of 1024, or one of all, and layer 0 dense; or nothing, and
 *  no layer dense. */
export const tails: readonly TailKind[] = ['blocks', 'mean', 'none'];

export interface PolicyName {
  readonly selector: Selector | 'dense';
  /** Name of the maps; empty where none are used. */
  readonly maps: string;
  /** Of the context, besides sink and window; 0 for streaming, 1 for dense. */
  readonly fraction: number;
  readonly tail: TailKind;
  /** In place of the tail, layer 0 being dense; see `proxyLabel`. */
  readonly proxy?: string;
  /** Name of the budgets by layer, where they are not those of the maps ("hash") or equal (all others). */
  readonly budgets?: string;
  /** Where it is not as the tail has it. */
  readonly layer0?: 'dense' | 'sparse';
}

export interface NamedPolicy extends RowPolicy {
  readonly name: PolicyName;
}

export const dense: NamedPolicy = {
  name: { selector: 'dense', maps: '', fraction: 1, tail: 'none' },
  options: { mode: 'dense' },
};

const isHashed = (selector: Selector): boolean => !['oracle', 'random', 'streaming'].includes(selector);

/** Every selector but streaming, with all maps where it uses any, at every fraction. */
export function policyGrid(
  chosen: readonly Selector[],
  maps: ReadonlyMap<string, ModelHashMaps>,
  fractions: readonly number[],
  tail: TailKind,
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
export function streaming(chosen: readonly Selector[], tail: TailKind): NamedPolicy[] {
  return chosen.includes('streaming') ? [namedPolicy('streaming', '', undefined, 0, tail)] : [];
}

/** With layer 0 dense, and other accounts of the tokens left out. */
export function proxyPolicies(
  selectors: readonly Selector[],
  proxies: readonly TailProxy[],
  maps: ReadonlyMap<string, ModelHashMaps>,
  fractions: readonly number[],
): NamedPolicy[] {
  return policyGrid(selectors, maps, fractions, 'mean').flatMap((policy) =>
    proxies.map((proxy) => ({ ...policy, name: { ...policy.name, proxy: proxyLabel(proxy) }, proxy })),
  );
}

export interface LayerBudgets {
  /** "uniform", or that of the file. */
  readonly name: string;
  readonly layerBudgets: 'uniform' | readonly number[];
}

/** The same with other budgets by layer, of the same mean. */
export function withBudgets(
  policies: readonly NamedPolicy[],
  budgets: readonly LayerBudgets[],
): NamedPolicy[] {
  return policies.flatMap(({ options, ...policy }) => {
    if (options.mode === 'dense' || options.mode === 'streaming') return [];
    return budgets.map(({ name, layerBudgets }) => ({
      ...{ ...policy, name: { ...policy.name, budgets: name }, options: { ...options, layerBudgets } },
    }));
  });
}

/** The same with layer 0 sparse in place of dense, or dense in place of sparse. */
export function otherLayer0(policy: NamedPolicy): NamedPolicy {
  const { name, options } = policy;
  if (options.mode === 'dense') return policy;
  const layer0 = name.tail === 'none' ? 'dense' : 'sparse';
  const denseLayers = layer0 === 'dense' ? [0] : [];
  return { ...policy, name: { ...name, layer0 }, options: { ...options, denseLayers } };
}

/** "mean-64", "mean-1024-block-estimated", "mass-all" and the like. */
export function proxyLabel({ kind, block, over, estimated }: TailProxy): string {
  const more = [...(over === 'rest' ? [] : [over]), ...(estimated ? ['estimated'] : [])];
  return [kind, block ?? 'all', ...more].join('-');
}

/** Null where the label means nothing. */
export function proxyOf(label: string): TailProxy | null {
  const [name, size, ...more] = label.split('-');
  const kind = proxyKinds.find((known) => known === name);
  const block = size === 'all' ? null : Number(size);
  const over = proxyRanges.find((known) => known === more[0]) ?? 'rest';
  const estimated = more.includes('estimated');
  if (!kind || (block !== null && !(Number.isInteger(block) && block > 0 && block % 64 === 0))) return null;
  const proxy = { kind, block, over, estimated };
  return proxyLabel(proxy) === label ? proxy : null;
}

function namedPolicy(
  selector: Selector,
  mapsName: string,
  maps: ModelHashMaps | undefined,
  fraction: number,
  tail: TailKind,
): NamedPolicy {
  const edges = { sink: 128, window: 128, tail, denseLayers: tail === 'none' ? [] : [0] };
  const budgeted = { ...edges, budget: { fraction } };
  const name = { selector, maps: mapsName, fraction, tail };
  return { name, options: optionsOf(selector, edges, budgeted), ...(maps ? { maps } : {}) };
}

function optionsOf(
  selector: Selector,
  edges: { sink: number; window: number; tail: TailKind; denseLayers: number[] },
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

/** "hash trained 1/16 +blocks" and the like. */
export function policyLabel(policy: PolicyName): string {
  const { selector, maps, fraction, budgets = '' } = policy;
  const parts = [selector, maps, fractionLabel(fraction), budgets, restLabel(policy)];
  return parts.filter((part) => part !== '').join(' ');
}

/** What becomes of the tokens left out, in few words. */
export function restLabel({ tail, proxy, layer0 }: PolicyName): string {
  const rest = proxy ? `+${proxy}` : { blocks: '+blocks', mean: '+mean', none: '' }[tail];
  return layer0 ? `${rest}, layer 0 ${layer0}` : rest;
}

export function fractionLabel(fraction: number): string {
  if (fraction === 0 || fraction === 1) return '';
  return Number.isInteger(1 / fraction) ? `1/${1 / fraction}` : String(fraction);
}
