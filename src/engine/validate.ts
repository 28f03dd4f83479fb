/** Checks of values that callers hand in; every refusal names the parameter, what it takes and what came. */
import { AppError } from '../errors.ts';

export interface NumberRange {
  readonly min?: number;
  readonly max?: number;
  /** An excluded lower bound. */
  readonly above?: number;
  readonly integer?: boolean;
}

/** @throws AppError "invalid-request" unless `value` is a finite number within the range. */
export function checkNumber(name: string, value: unknown, range: NumberRange): number {
  const { min = -Infinity, max = Infinity, above = -Infinity, integer = false } = range;
  const fits =
    typeof value === 'number' &&
    Number.isFinite(value) &&
    value >= min &&
    value <= max &&
    value > above &&
    (!integer || Number.isSafeInteger(value));
  if (!fits) throw invalidRequest(name, rangeInWords(range), value);
  return value;
}

/** @throws AppError "invalid-request" unless `value` is true or false. */
export function checkBoolean(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw invalidRequest(name, 'true or false', value);
  return value;
}

/** @throws AppError "invalid-request" unless `value` is a string. */
export function checkString(name: string, value: unknown): string {
  if (typeof value !== 'string') throw invalidRequest(name, 'a string', value);
  return value;
}

/** @throws AppError "invalid-request" unless `value` is a list of strings, none of them empty. */
export function checkStrings(name: string, value: unknown): readonly string[] {
  if (!Array.isArray(value)) throw invalidRequest(name, 'a list of strings', value);
  value.forEach((entry: unknown, index) => {
    if (typeof entry !== 'string' || entry === '') {
      throw invalidRequest(`${name}[${index}]`, 'a string that is not empty', entry);
    }
  });
  return value as string[];
}

/** @throws AppError "invalid-request" unless `value` is a list of token ids below `vocab`. */
export function checkTokens(name: string, value: unknown, vocab: number): readonly number[] {
  if (!Array.isArray(value)) throw invalidRequest(name, 'a list of token ids', value);
  value.forEach((token: unknown, index) => {
    checkNumber(`${name}[${index}]`, token, { min: 0, max: vocab - 1, integer: true });
  });
  return value as number[];
}

/** Token id → number added to its logit.
 *  @throws AppError "invalid-request" for ids outside the vocabulary and biases outside ±`limit`. */
export function checkLogitBias(
  name: string,
  value: unknown,
  vocab: number,
  limit: number,
): Readonly<Record<number, number>> {
  if (!isRecord(value)) throw invalidRequest(name, 'an object from token ids to numbers', value);
  const entries = Object.entries(value).map(([key, bias]) => {
    const token = /^\d+$/.test(key) ? Number(key) : key;
    checkNumber(`a token id in ${name}`, token, { min: 0, max: vocab - 1, integer: true });
    return [token, checkNumber(`${name}[${key}]`, bias, { min: -limit, max: limit })];
  });
  return Object.fromEntries(entries) as Record<number, number>;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `${name} must be ${expected}; got …`. */
export function invalidRequest(name: string, expected: string, got: unknown): AppError {
  return new AppError('invalid-request', `${name} must be ${expected}; got ${inWords(got)}.`, {
    details: { parameter: name },
  });
}

function rangeInWords({ min, max, above, integer }: NumberRange): string {
  const noun = integer ? 'an integer' : 'a number';
  if (min !== undefined && max !== undefined) return `${noun} from ${min} to ${max}`;
  if (above !== undefined) return `${noun} above ${above}`;
  if (min !== undefined) return `${noun} of at least ${min}`;
  if (max !== undefined) return `${noun} of at most ${max}`;
  return noun;
}

function inWords(value: unknown): string {
  if (typeof value === 'number' || value === undefined) return String(value);
  if (typeof value === 'function') return 'a function';
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}…`;
}
