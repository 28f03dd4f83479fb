/** Numbers typed into fields: which are allowed, and what an empty field means. */

export interface NumberRange {
  readonly label: string;
  readonly hint: string;
  readonly min: number;
  readonly max: number;
  /** 1: whole numbers only. */
  readonly step: number;
  /** What an empty field stands for where that is no number. */
  readonly empty?: string;
}

/** What a person typed: null when left empty, undefined when it is not allowed. */
export function parseTyped(range: NumberRange, typed: string): number | null | undefined {
  if (typed.trim() === '') return null;
  const value = Number(typed);
  return isAllowed(range, value) ? value : undefined;
}

export function isAllowed(range: NumberRange, value: unknown): value is number {
  if (typeof value !== 'number' || !Number.isFinite(value)) return false;
  return value >= range.min && value <= range.max && (range.step !== 1 || Number.isInteger(value));
}
