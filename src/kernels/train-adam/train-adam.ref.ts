/** The specification of train-adam in double precision. */

export interface AdamState {
  readonly parameter: number;
  /** First and second moment. */
  readonly m: number;
  readonly v: number;
}

/** @param step from 1 on. */
export function adamReference(old: AdamState, gradient: number, step: number, rate: number): AdamState {
  const m = 0.9 * old.m + 0.1 * gradient;
  const v = 0.999 * old.v + 0.001 * gradient ** 2;
  const [mean, square] = [m / (1 - 0.9 ** step), v / (1 - 0.999 ** step)];
  return { parameter: old.parameter - (rate * mean) / (Math.sqrt(square) + 1e-8), m, v };
}
