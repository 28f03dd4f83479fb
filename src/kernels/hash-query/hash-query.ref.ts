/** What a signature map and the levels of a query may come to in f32, beside their values in double precision: a bit
 *  is certain where its value is further from the threshold than its bound. */
import { applyMap, type MapStage } from '../hash-reference/signature-map.ref.ts';

const unitF32 = 2 ** -24;

export interface BoundedValues {
  readonly values: Float64Array;
  /** Most that f32 arithmetic may move each value. */
  readonly bounds: Float64Array;
}

/** F(x) of one head with the rounding errors of every stage carried along. x: [inputs], exact. */
export function boundedMap(stages: readonly MapStage[], head: number, x: ArrayLike<number>): BoundedValues {
  let inputs: Float64Array = Float64Array.from(x);
  let errors: Float64Array = new Float64Array(x.length);
  stages.forEach((stage, index) => {
    const { outputs, weight, bias } = stage;
    const values = applyMap([stage], head, inputs);
    const bounds = values.map((_, row) => {
      const at = head * outputs + row;
      let magnitude = Math.abs(bias[at]!);
      let inherited = 0;
      inputs.forEach((input, column) => {
        const w = Math.abs(weight[at * stage.inputs + column]!);
        magnitude += w * Math.abs(input);
        inherited += w * errors[column]!;
      });
      // A rounding per product and one per part; 1.001 for the products of errors.
      return 1.001 * ((stage.inputs + 9) * unitF32 * magnitude + inherited) + 1e-37;
    });
    const isLast = index === stages.length - 1;
    inputs = isLast ? values : values.map((y) => y / (1 + Math.exp(-y)));
    // SiLU's slope is at most 1.1; WGSL's exp errs by 3 + 2|y| ulp, its division by 2.5, the sum by half of one.
    errors = isLast
      ? bounds
      : bounds.map(
          (bound, i) =>
            1.1 * bound + Math.abs(inputs[i]!) * (6 + 2 * Math.abs(values[i]!)) * 2 * unitF32 + 1e-37,
        );
  });
  return { values: inputs, bounds: errors };
}

/** Sum of several heads' maps. */
export function boundedSum(terms: readonly BoundedValues[]): BoundedValues {
  const total = (pick: (term: BoundedValues) => ArrayLike<number>, i: number): number =>
    terms.reduce((sum, term) => sum + pick(term)[i]!, 0);
  const values = terms[0]!.values.map((_, i) => total(({ values }) => values, i));
  const bounds = values.map((_, i) => {
    const magnitude = total(({ values }) => values.map(Math.abs), i);
    return total(({ bounds }) => bounds, i) + (terms.length - 1) * unitF32 * magnitude * 1.001;
  });
  return { values, bounds };
}

/** Whether each element's level, floor(s / scale), is the same for all sums within their bounds. */
export function certainLevels({ values, bounds }: BoundedValues, queryBits: number): boolean[] {
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (largest === 0) return [...bounds].map((bound) => bound < 1e-30);
  const largestError = bounds.reduce((most, bound) => Math.max(most, bound), 0);
  const steps = 2 ** (queryBits - 1) - 0.5;
  return [...values].map((value, i) => {
    const quotient = (value / largest) * steps;
    const moved = bounds[i]! / largest + (Math.abs(value) / largest) * (largestError / largest);
    // Two divisions of 2.5 ulp.
    const error = 1.001 * steps * moved + Math.abs(quotient) * 10 * unitF32;
    return Math.abs(quotient - Math.round(quotient)) > error;
  });
}
