/** How much to learn from where nobody says: minutes on a graphics card, and on a CPU a try. */
import type { MemoryPlan } from '../api.ts';
import { defaultTrainOptions } from './train-options.ts';

export interface LearningSize {
  readonly steps: number;
  /** Tokens of the longest sequences. */
  readonly longest: number;
}

const standard = { steps: defaultTrainOptions.steps, longest: Math.max(...defaultTrainOptions.lengths) };

/** Sequences as long as the planned context, so that signatures are relied on in all of it, up to those of the recipe. */
export function learningDefaults(plan: Pick<MemoryPlan, 'contextLength' | 'device'>): LearningSize {
  const { contextLength, device } = plan;
  return device.isCpu
    ? { steps: 50, longest: Math.min(512, contextLength) }
    : { steps: standard.steps, longest: Math.min(standard.longest, contextLength) };
}

/** Shorter sequences teach little about contexts that are worth signatures. */
export const shortestSequence = 384;
