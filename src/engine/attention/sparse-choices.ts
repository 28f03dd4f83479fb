/** The options that every sparse policy has, checked and complete. */
import { AppError } from '../../errors.ts';
import { type TailKind, tailKinds } from '../../kernels/shared/token-blocks.ts';
import type { SparseAttentionOptions } from '../api.ts';
import type { AttendedSet } from './attention-policy.ts';

export interface SparseChoices {
  readonly sink: number;
  readonly window: number;
  /** Selected at least, and as a share of the context in 1/65536: struct Budget in kernels/shared/budget.wgsl. */
  readonly count: number;
  readonly share: number;
  readonly tail: TailKind;
  readonly denseLayers: readonly number[];
}

const shareUnit = 65536;

const modes: readonly SparseAttentionOptions['mode'][] = ['hash', 'oracle', 'random', 'streaming'];

/** Refuses before anything is loaded what needs no maps to be refused.
 *  @throws AppError "invalid-request" naming the option. */
export function checkSparseOptions(options: SparseAttentionOptions, layers: number): void {
  if (!modes.includes(options.mode)) {
    throw invalidOption('mode', JSON.stringify(options.mode), ['dense', ...modes].join(', '));
  }
  sparseChoices(options, layers);
}

/** @throws AppError "invalid-request" naming the option. */
export function sparseChoices(options: SparseAttentionOptions, layers: number): SparseChoices {
  const denseLayers = [...new Set(options.denseLayers ?? [0])].sort((a, b) => a - b);
  for (const layer of denseLayers) checkInteger('denseLayers', layer, 0, layers - 1);
  if (options.denseBelow !== undefined) checkInteger('denseBelow', options.denseBelow, 0);
  return {
    sink: checkInteger('sink', options.sink ?? 128, 0),
    window: checkInteger('window', options.window ?? 128, 1),
    ...budgetOf(options),
    tail: checkTail(options.tail ?? (denseLayers.includes(0) ? 'blocks' : 'none')),
    denseLayers,
  };
}

function budgetOf(options: SparseAttentionOptions): Pick<SparseChoices, 'count' | 'share'> {
  if (options.mode === 'streaming') return { count: 0, share: 0 };
  const budget = options.budget ?? { fraction: 1 / 16 };
  if ('tokens' in budget) return { count: checkInteger('budget.tokens', budget.tokens, 0), share: 0 };
  return { count: 0, share: shareOf('budget.fraction', budget.fraction) };
}

/** @throws AppError "invalid-request" naming the option, where it is not from 0 to 1. */
export function shareOf(option: string, fraction: number): number {
  return Math.round(checkNumber(option, fraction, 0, 1) * shareUnit);
}

/** Tokens attended to of `n`, and how many they are. */
export function attendedOf(
  { sink, window, count, share }: SparseChoices,
  n: number,
): AttendedSet & { readonly attended: number } {
  const windowStart = n - Math.min(window, n);
  const sinkEnd = Math.min(sink, windowStart);
  const wanted = Math.max(count, Math.floor((n * share) / shareUnit));
  const selected = Math.min(wanted, windowStart - sinkEnd);
  return { sinkEnd, windowStart, selected, attended: sinkEnd + selected + n - windowStart };
}

/** Layers that attend sparsely. */
export function sparseLayers({ denseLayers }: SparseChoices, layers: number): number[] {
  return Array.from({ length: layers }, (_, index) => index).filter((index) => !denseLayers.includes(index));
}

function checkTail(tail: TailKind): TailKind {
  if (tailKinds.includes(tail)) return tail;
  throw invalidOption('tail', JSON.stringify(tail), `one of ${tailKinds.join(', ')}`);
}

export function checkInteger(name: string, value: number, least: number, most = 2 ** 31): number {
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
