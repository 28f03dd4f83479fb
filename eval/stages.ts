/** What an evaluation runs, the most telling first, so that one cut short has said the most. */
import type { ModelHashMaps } from '../src/engine/attention/model-hash-maps.ts';
import type { Stage, TextWindow } from './evaluate.ts';
import type { NeedlePrompt } from './needles.ts';
import type { EvalOptions } from './options.ts';
import { budgetPolicies, dense, policyGrid, proxyPolicies, type Selector, streaming } from './policies.ts';

export interface StageInput {
  readonly options: Pick<
    EvalOptions,
    'policies' | 'needlePolicies' | 'fractions' | 'contexts' | 'proxies' | 'layerBudgets'
  >;
  readonly maps: ReadonlyMap<string, ModelHashMaps>;
  /** Of the largest context. */
  readonly windows: readonly TextWindow[];
  readonly prompts: readonly NeedlePrompt[];
}

/** What is compared on all windows. */
const mainSelectors: readonly Selector[] = ['hash', 'oracle'];
const mainFractions = [1 / 16, 1 / 32];
/** Needles are looked for at small budgets: at large ones nothing is missed. */
const mostNeedleFraction = 1 / 16;

/** The first maps are tried in every way, the others at the largest context with tail. */
export function planStages({ options, maps, windows, prompts }: StageInput): Stage[] {
  const { policies, needlePolicies, fractions } = options;
  const [context, ...shorter] = options.contexts;
  if (context === undefined) return [];
  const main = fractions.filter((fraction) => mainFractions.includes(fraction));
  const mainOnes = policies.filter((selector) => mainSelectors.includes(selector));
  const oracle = policies.filter((selector) => selector === 'oracle');
  const proxies = (at: readonly number[], by: ReadonlyMap<string, ModelHashMaps>) =>
    proxyPolicies(['hash'], options.proxies, by, at);
  const small = fractions.filter((fraction) => fraction <= mostNeedleFraction);
  const grid = (chosen: readonly Selector[], at: readonly number[], tail: boolean, by = maps) =>
    policyGrid(chosen, by, at, tail);
  const firstMaps: ReadonlyMap<string, ModelHashMaps> = new Map([...maps].slice(0, 1));
  const whole = (length: number, tail: boolean, by = firstMaps): Stage => ({
    ...{ kind: 'perplexity', context: length, windows },
    policies: [
      dense,
      ...streaming(policies, tail),
      ...grid(policies, fractions, tail, by),
      ...(tail ? proxies(fractions, by) : []),
    ],
  });
  return [
    {
      ...{ kind: 'perplexity', context, windows },
      policies: [
        dense,
        ...streaming(policies, true),
        ...grid(mainOnes, main, true),
        ...proxies(fractions, maps),
        ...proxyPolicies(oracle, options.proxies, maps, main),
        ...budgetPolicies(options.layerBudgets, maps, fractions),
      ],
    },
    {
      ...{ kind: 'retrieval', prompts },
      policies: [
        dense,
        ...streaming(needlePolicies, true),
        ...grid(needlePolicies, small, true),
        ...proxies(small, maps),
      ],
    },
    {
      ...{ kind: 'quality', context, rows: Math.min(512, context / 4), windows: windows.slice(0, 2) },
      policies: grid(policies, main.slice(0, 1), false),
    },
    whole(context, true, maps),
    ...shorter.map((length) => whole(length, true)),
    whole(context, false),
    ...shorter.map((length) => whole(length, false)),
  ];
}
