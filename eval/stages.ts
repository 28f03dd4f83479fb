/** What an evaluation runs, the most telling first, so that one cut short has said the most. */

import type { ModelHashMaps } from '../src/engine/attention/model-hash-maps.ts';
import type { TailKind } from '../src/kernels/shared/token-blocks.ts';
import type { Stage, TextWindow } from './evaluate.ts';
import type { NeedlePrompt } from './needles.ts';
import type { EvalOptions } from './options.ts';
import {
  dense,
  otherLayer0,
  policyGrid,
  proxyPolicies,
  type Selector,
  streaming,
  withBudgets,
} from './policies.ts';

export interface StageInput {
  readonly options: Pick<
    EvalOptions,
    | 'policies'
    | 'needlePolicies'
    | 'fractions'
    | 'tails'
    | 'contexts'
    | 'proxies'
    | 'layerBudgets'
    | 'otherLayer0'
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

/** The first tail is tried in most ways, and the first maps; others at the largest context. */
export function planStages({ options, maps, windows, prompts }: StageInput): Stage[] {
  const { policies, needlePolicies, fractions, tails } = options;
  const [context, ...shorter] = options.contexts;
  const [firstTail] = tails;
  if (context === undefined || firstTail === undefined) return [];
  const withTail = tails.filter((tail) => tail !== 'none');
  const main = fractions.filter((fraction) => mainFractions.includes(fraction));
  const mainOnes = policies.filter((selector) => mainSelectors.includes(selector));
  const small = fractions.filter((fraction) => fraction <= mostNeedleFraction);
  const firstMaps: ReadonlyMap<string, ModelHashMaps> = new Map([...maps].slice(0, 1));
  const whole = (length: number, tail: TailKind, by = firstMaps): Stage => ({
    ...{ kind: 'perplexity', context: length, windows },
    policies: [dense, ...streaming(policies, tail), ...policyGrid(policies, by, fractions, tail)],
  });
  return [
    {
      ...{ kind: 'perplexity', context, windows },
      policies: [
        dense,
        ...withTail.flatMap((tail) => [
          ...streaming(policies, tail),
          ...policyGrid(mainOnes, maps, main, tail),
        ]),
        ...proxyPolicies(mainOnes, options.proxies, maps, fractions),
        ...withBudgets(policyGrid(mainOnes, maps, fractions, 'blocks'), options.layerBudgets),
      ],
    },
    {
      ...{ kind: 'retrieval', prompts },
      policies: [
        dense,
        ...streaming(needlePolicies, firstTail),
        ...withTail.flatMap((tail) => policyGrid(needlePolicies, maps, small, tail)),
        ...withBudgets(policyGrid(needlePolicies, maps, small, 'blocks'), options.layerBudgets),
      ],
    },
    {
      ...{ kind: 'quality', context, rows: Math.min(512, context / 4), windows: windows.slice(0, 2) },
      policies: policyGrid(policies, maps, main.slice(0, 1), 'none'),
    },
    ...tails.map((tail, i) => whole(context, tail, i === 0 ? maps : firstMaps)),
    ...shorter.map((length) => whole(length, firstTail)),
    ...(options.otherLayer0
      ? tails.map((tail): Stage => {
          const usual = policyGrid(mainOnes, firstMaps, main, tail);
          return { kind: 'perplexity', context, windows, policies: [dense, ...usual.map(otherLayer0)] };
        })
      : []),
    ...tails.slice(1).flatMap((tail) => shorter.map((length) => whole(length, tail))),
  ];
}
