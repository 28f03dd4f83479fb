/** The options that every sparse policy has, checked and complete. */
import { AppError } from '../../errors.ts';
import type { Arena } from '../../kernels/runtime/arena.ts';
import type { BufferSlice } from '../../kernels/runtime/tensor.ts';
import { type TailKind, tailKinds } from '../../kernels/shared/token-blocks.ts';
import type { SparseAttentionOptions } from '../api.ts';
import type { AttendedSet } from './attention-policy.ts';

/** Tokens selected: at least, and as a share of the context in 1/65536: struct Budget in kernels/shared/budget.wgsl. */
export interface TokenBudget {
  readonly count: number;
  readonly share: number;
}

export interface SparseChoices {
  readonly sink: number;
  readonly window: number;
  /** Of a layer, on average over the sparse ones. */
  readonly budget: TokenBudget;
  /** How much of it each layer has, 1 on average over the sparse ones; of dense ones without meaning. Null: 1 in all. */
  readonly layerBudgets: readonly number[] | null;
  readonly tail: TailKind;
  readonly denseLayers: readonly number[];
}

/** What one layer attends to. */
export interface LayerChoices extends TokenBudget, Pick<SparseChoices, 'sink' | 'window' | 'tail'> {}

const shareUnit = 65536;
const mostCount = 2 ** 31;

const modes: readonly SparseAttentionOptions['mode'][] = ['hash', 'oracle', 'random', 'streaming'];

/** Refuses before anything is loaded what needs no maps to be refused.
 *  @throws AppError "invalid-request" naming the option. */
export function checkSparseOptions(options: SparseAttentionOptions, layers: number): void {
  if (!modes.includes(options.mode)) {
    throw invalidOption('mode', JSON.stringify(options.mode), ['dense', ...modes].join(', '));
  }
  sparseChoices(options, layers);
}

/** @param ofMaps budgets by layer that the signature maps come with
 *  @throws AppError "invalid-request" naming the option. */
export function sparseChoices(
  options: SparseAttentionOptions,
  layers: number,
  ofMaps: readonly number[] | null = null,
): SparseChoices {
  const denseLayers = [...new Set(options.denseLayers ?? [0])].sort((a, b) => a - b);
  for (const layer of denseLayers) checkInteger('denseLayers', layer, 0, layers - 1);
  if (options.denseBelow !== undefined) checkInteger('denseBelow', options.denseBelow, 0);
  const sparse = sparseLayers({ denseLayers }, layers);
  const budget = budgetOf(options);
  const weights = layerWeights(options, layers, sparse, ofMaps);
  return {
    sink: checkInteger('sink', options.sink ?? 128, 0),
    window: checkInteger('window', options.window ?? 128, 1),
    budget,
    layerBudgets: weights && spread(weights, sparse, budget.share / shareUnit),
    tail: checkTail(options.tail ?? (denseLayers.includes(0) ? 'blocks' : 'none')),
    denseLayers,
  };
}

/** The choices of one sparse layer. Rounded down, so that all together have no more than under equal budgets; where shares
 *  become tokens, that rounds by less than one in each layer. */
export function layerChoices(choices: SparseChoices, layer: number): LayerChoices {
  const { sink, window, tail, budget, layerBudgets } = choices;
  const factor = layerBudgets?.[layer] ?? 1;
  // equal factors are 1 but for rounding
  const part = (of: number, most: number): number => Math.min(most, Math.floor(of * factor + 1e-6));
  return { sink, window, tail, count: part(budget.count, mostCount), share: part(budget.share, shareUnit) };
}

function budgetOf(options: SparseAttentionOptions): TokenBudget {
  if (options.mode === 'streaming') return { count: 0, share: 0 };
  const budget = options.budget ?? { fraction: 1 / 16 };
  if ('tokens' in budget) return { count: checkInteger('budget.tokens', budget.tokens, 0), share: 0 };
  const fraction = checkNumber('budget.fraction', budget.fraction, 0, 1);
  return { count: 0, share: Math.round(fraction * shareUnit) };
}

/** Weights of mean 1 over the sparse layers, so that these have a share of the context on average: what a layer would have
 *  beyond all of it, others have. */
function spread(weights: readonly number[], sparse: readonly number[], share: number): readonly number[] {
  if (share === 0) return weights;
  let open = sparse;
  let perWeight = share;
  for (;;) {
    const fits = open.filter((layer) => perWeight * weights[layer]! < 1);
    const sum = fits.reduce((total, layer) => total + weights[layer]!, 0);
    if (fits.length === open.length || sum === 0) {
      return weights.map((weight) => Math.min(1, perWeight * weight) / share);
    }
    open = fits;
    perWeight = (share * sparse.length - (sparse.length - open.length)) / sum;
  }
}

function layerWeights(
  options: SparseAttentionOptions,
  layers: number,
  sparse: readonly number[],
  ofMaps: readonly number[] | null,
): readonly number[] | null {
  if (options.mode === 'streaming') return null;
  const asked = options.layerBudgets ?? (options.mode === 'hash' ? 'maps' : 'uniform');
  if (asked === 'uniform') return null;
  const given = asked === 'maps' && options.mode === 'hash' ? ofMaps : asked;
  if (given === null || sparse.length === 0) return null;
  const numbers: readonly number[] = Array.isArray(given) ? given : [];
  const mean = sparse.reduce((sum, layer) => sum + numbers[layer]!, 0) / sparse.length;
  const isRight = numbers.length === layers && numbers.every((each) => Number.isFinite(each) && each >= 0);
  if (isRight && mean > 0) return numbers.map((each) => each / mean);
  const named = options.mode === 'hash' ? '"maps", "uniform"' : '"uniform"';
  const expected = `${named}, or ${layers} numbers of at least 0 that are not all 0 where layers are sparse`;
  throw invalidOption('layerBudgets', JSON.stringify(given), expected);
}

/** Tokens that a layer attends to of `n`, and how many they are. */
export function attendedOf(
  { sink, window, count, share }: LayerChoices,
  n: number,
): AttendedSet & { readonly attended: number } {
  const windowStart = n - Math.min(window, n);
  const sinkEnd = Math.min(sink, windowStart);
  const wanted = Math.max(count, Math.floor((n * share) / shareUnit));
  const selected = Math.min(wanted, windowStart - sinkEnd);
  return { sinkEnd, windowStart, selected, attended: sinkEnd + selected + n - windowStart };
}

/** The most tokens that a layer selects of `n`. */
export function mostSelected(choices: SparseChoices, layers: number, n: number): number {
  const selected = sparseLayers(choices, layers).map(
    (layer) => attendedOf(layerChoices(choices, layer), n).selected,
  );
  return Math.max(0, ...selected);
}

/** A layer's uniform `Budget`. */
export function budgetUniform(arena: Arena, { sink, window, count, share }: LayerChoices): BufferSlice {
  return { buffer: arena.uniform('attention.budget', Uint32Array.of(sink, window, count, share).buffer) };
}

/** Layers that attend sparsely. */
export function sparseLayers({ denseLayers }: Pick<SparseChoices, 'denseLayers'>, layers: number): number[] {
  return Array.from({ length: layers }, (_, index) => index).filter((index) => !denseLayers.includes(index));
}

function checkTail(tail: TailKind): TailKind {
  if (tailKinds.includes(tail)) return tail;
  throw invalidOption('tail', JSON.stringify(tail), `one of ${tailKinds.join(', ')}`);
}

export function checkInteger(name: string, value: number, least: number, most = mostCount): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw invalidOption(name, String(value), `an integer from ${least} to ${most}`);
}

function checkNumber(name: string, value: number, least: number, most: number): number {
  if (Number.isFinite(value) && value >= least && value <= most) return value;
  throw invalidOption(name, String(value), `a number from ${least} to ${most}`);
}

export function invalidOption(name: string, got: string, expected: string): AppError {
  return new AppError('invalid-request', `attention.${name}: expected ${expected}; got ${got}.`);
}
