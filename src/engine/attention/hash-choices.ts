/** HashAttention's options, checked and complete. */
import { AppError } from '../../errors.ts';
import type { HashAttentionOptions } from '../api.ts';
import type { AttendedSet } from './attention-policy.ts';

export interface HashChoices {
  readonly score: 'asymmetric' | 'hamming';
  readonly queryBits: number;
  readonly lists: 'kv-head' | 'query-head';
  readonly sink: number;
  readonly window: number;
  /** Selected at least, and as a share of the context in 1/65536: struct Budget in kernels/shared/budget.wgsl. */
  readonly count: number;
  readonly share: number;
  readonly tail: boolean;
  readonly denseLayers: ReadonlySet<number>;
  readonly denseBelow: number;
}

/** What the maps say of themselves; random projections compare best as 4-bit queries. */
export interface MapFacts {
  readonly score: 'asymmetric' | 'hamming';
  readonly queryBits: number;
  readonly sharing: 'kv-head' | 'query-head';
}

const shareUnit = 65536;

/** @throws AppError "invalid-request" naming the option. */
export function hashChoices(options: HashAttentionOptions, facts: MapFacts, layers: number): HashChoices {
  const budget = options.budget ?? { fraction: 1 / 16 };
  const fraction = 'fraction' in budget ? number('budget.fraction', budget.fraction, 0, 1) : 0;
  const count = 'tokens' in budget ? integer('budget.tokens', budget.tokens, 0) : 0;
  const denseLayers = options.denseLayers ?? [0];
  for (const layer of denseLayers) integer('denseLayers', layer, 0, layers - 1);
  const score = options.score ?? facts.score;
  const lists = options.lists ?? 'kv-head';
  if (score === 'asymmetric' && facts.sharing === 'query-head' && lists === 'kv-head') {
    throw invalid(
      'lists',
      '"kv-head"',
      '"query-head": these maps give every query head its own signatures, which asymmetric scores cannot share',
    );
  }
  return {
    score,
    queryBits: facts.queryBits,
    lists,
    sink: integer('sink', options.sink ?? 128, 0),
    window: integer('window', options.window ?? 128, 1),
    count,
    share: Math.round(fraction * shareUnit),
    tail: options.tail ?? denseLayers.includes(0),
    denseLayers: new Set(denseLayers),
    denseBelow: integer('denseBelow', options.denseBelow ?? 1024, 0),
  };
}

/** Tokens attended to of `n`, and how many they are. */
export function attendedOf(choices: HashChoices, n: number): AttendedSet & { readonly attended: number } {
  const windowStart = n - Math.min(choices.window, n);
  const sinkEnd = Math.min(choices.sink, windowStart);
  const wanted = Math.max(choices.count, Math.floor((n * choices.share) / shareUnit));
  const selected = Math.min(wanted, windowStart - sinkEnd);
  return { sinkEnd, windowStart, selected, attended: sinkEnd + selected + n - windowStart };
}

function integer(name: string, value: number, least: number, most = 2 ** 31): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw invalid(name, String(value), `an integer from ${least} to ${most}`);
}

function number(name: string, value: number, least: number, most: number): number {
  if (Number.isFinite(value) && value >= least && value <= most) return value;
  throw invalid(name, String(value), `a number from ${least} to ${most}`);
}

function invalid(name: string, got: string, expected: string): AppError {
  return new AppError('invalid-request', `attention.${name}: expected ${expected}; got ${got}.`);
}
