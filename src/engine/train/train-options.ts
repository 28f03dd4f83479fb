/** What is trained and how: options with good defaults, checked. */
import { AppError } from '../../errors.ts';
import { leastLength } from './edges.ts';

export interface TrainOptions {
  /** 'mass': cross-entropy against the attention mass of a list's query heads, weighted by it. 'bce': the published
   *  one, on the 32 tokens of most attention (arXiv:2412.14468). */
  readonly loss: 'mass' | 'bce';
  /** How signatures will be compared: real query against one-bit keys, or bits against bits. */
  readonly score: 'asymmetric' | 'hamming';
  /** Bits of a query when asymmetric signatures are used, 1 to 4. */
  readonly queryBits: number;
  /** Which heads have a key map, and a list of tokens, of their own. */
  readonly sharing: 'kv-head' | 'query-head';
  /** 16 bits take a word of 32, half of it never set. */
  readonly bits: 16 | 32 | 64;
  /** Widths between head size and bits; none for linear maps. */
  readonly hidden: readonly number[];
  /** 0: maps that were trained before, measured for their budgets by layer. */
  readonly steps: number;
  /** Tokens of the sequences, taken in turn. */
  readonly lengths: readonly number[];
  /** Queries a step, drawn from its sequence; the same in every layer. */
  readonly positions: number;
  /** First tokens and last ones that are attended anyway, which signatures need not find; each at most a sixteenth of a
   *  sequence. */
  readonly sink: number;
  readonly window: number;
  /** Adam's highest rate, reached after `warmUp` steps and lowered along a cosine to `lastRate` times it. */
  readonly rate: number;
  readonly warmUp: number;
  readonly lastRate: number;
  /** tanh(β · x) stands for the sign of x; β at the first and the last step, linear between. */
  readonly beta: readonly [number, number];
  /** t before the first step; 'mass' then learns it. */
  readonly firstScale: number;
  /** Tokens of text per span that is copied to a later place; 0: text as it is. */
  readonly repeatEvery: number;
  /** Tokens of text per made-up fact that is stated and asked for later; 0: none. */
  readonly factsEvery: number;
  readonly seed: number;
  /** Sequences of the longest length kept aside, on which recall is measured. */
  readonly heldOut: number;
  /** Share of the context that recall is measured at. */
  readonly recallShare: number;
  /** Whether the maps say which layers need more of a budget: in proportion to what they miss at `recallShare`. */
  readonly layerBudgets: 'missed' | 'none';
}

/** The recipe that served the default model best: docs/training.md. */
export const defaultTrainOptions: TrainOptions = {
  loss: 'mass',
  score: 'asymmetric',
  queryBits: 4,
  sharing: 'kv-head',
  bits: 32,
  hidden: [64],
  steps: 500,
  lengths: [8192, 4096, 512, 6144, 4096, 1024],
  positions: 384,
  sink: 128,
  window: 128,
  rate: 1e-2,
  warmUp: 20,
  lastRate: 0.03,
  beta: [1, 16],
  firstScale: 0.1,
  repeatEvery: 800,
  factsEvery: 400,
  seed: 1,
  heldOut: 2,
  recallShare: 1 / 16,
  layerBudgets: 'missed',
};

/** What differs in the published method: maps and lists per query head, signs on both sides, BCE, plain text, equal budgets. */
export const publishedTrainOptions = {
  loss: 'bce',
  score: 'hamming',
  sharing: 'query-head',
  hidden: [128, 128],
  rate: 1e-3,
  warmUp: 0,
  lastRate: 1,
  beta: [1, 1],
  firstScale: 1,
  repeatEvery: 0,
  factsEvery: 0,
  layerBudgets: 'none',
} as const satisfies Partial<TrainOptions>;

/** Fills in defaults.
 *  @throws AppError "invalid-request" naming the option. */
export function completeTrainOptions(options: Partial<TrainOptions>): TrainOptions {
  const complete = { ...defaultTrainOptions, ...options };
  oneOf('loss', complete.loss, ['mass', 'bce']);
  oneOf('score', complete.score, ['asymmetric', 'hamming']);
  oneOf('sharing', complete.sharing, ['kv-head', 'query-head']);
  oneOf('bits', complete.bits, [16, 32, 64]);
  integer('queryBits', complete.queryBits, 1, 4);
  for (const width of complete.hidden) integer('hidden', width, 1, 256);
  if (complete.hidden.length > 14) throw invalid('hidden', `${complete.hidden.length} widths`, 'at most 14');
  integer('steps', complete.steps, 0);
  integer('positions', complete.positions, 1, 65535);
  integer('sink', complete.sink, 0);
  integer('window', complete.window, 1);
  if (complete.lengths.length === 0) throw invalid('lengths', 'none', 'at least one');
  const least = leastLength(complete);
  for (const length of complete.lengths) integer('lengths', length, least);
  number('rate', complete.rate, 0, 1);
  integer('warmUp', complete.warmUp, 0);
  number('lastRate', complete.lastRate, 0, 1);
  if (complete.beta.length !== 2) throw invalid('beta', String(complete.beta), 'two numbers');
  for (const beta of complete.beta) number('beta', beta, 0.01, 100);
  number('firstScale', complete.firstScale, 1e-4, 100);
  integer('repeatEvery', complete.repeatEvery, 0);
  integer('factsEvery', complete.factsEvery, 0);
  integer('seed', complete.seed, 0, 2 ** 32 - 1);
  integer('heldOut', complete.heldOut, 1, 64);
  number('recallShare', complete.recallShare, 0, 1);
  oneOf('layerBudgets', complete.layerBudgets, ['missed', 'none']);
  return complete;
}

/** @throws AppError "invalid-request" where nothing is to be trained, and nothing was before. */
export function checkSteps({ steps }: TrainOptions, { from }: { readonly from?: unknown }): void {
  if (steps === 0 && !from) throw invalid('steps', '0', 'at least 1, or maps to begin from');
}

function oneOf(name: string, value: unknown, allowed: readonly unknown[]): void {
  if (!allowed.includes(value)) throw invalid(name, String(value), allowed.join(' or '));
}

function integer(name: string, value: number, least: number, most = 2 ** 31): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw invalid(name, String(value), `an integer from ${least} to ${most}`);
}

function number(name: string, value: number, least: number, most: number): void {
  if (Number.isFinite(value) && value >= least && value <= most) return;
  throw invalid(name, String(value), `a number from ${least} to ${most}`);
}

function invalid(name: string, got: string, expected: string): AppError {
  return new AppError('invalid-request', `training option ${name}: expected ${expected}; got ${got}.`);
}
