/** How learning rate and β move through training. */
import type { TrainOptions } from './train-options.ts';

/** @param step from 1 to options.steps */
export function scheduleAt(
  step: number,
  options: TrainOptions,
): { readonly rate: number; readonly beta: number } {
  const { steps, warmUp, rate, lastRate } = options;
  const [firstBeta, lastBeta] = options.beta;
  const done = steps === 1 ? 0 : (step - 1) / (steps - 1);
  const beta = firstBeta + (lastBeta - firstBeta) * done;
  const cosine = lastRate + ((1 - lastRate) * (1 + Math.cos(Math.PI * done))) / 2;
  return { rate: rate * cosine * Math.min(1, step / Math.max(1, warmUp)), beta };
}
