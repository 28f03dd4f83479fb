/** How much to learn from where nobody says: minutes on a graphics card, and on a CPU a try. */
import type { MemoryPlan } from '../api.ts';

export interface LearningSize {
  readonly steps: number;
  /** Tokens of the longest sequences. */
  readonly longest: number;
}

/** Sequences as long as the planned context, so that signatures are relied on in all of it; 8192 tokens at most. */
export function learningDefaults(plan: Pick<MemoryPlan, 'contextLength' | 'device'>): LearningSize {
  const { contextLength, device } = plan;
  return device.isCpu
    ? { steps: 50, longest: Math.min(512, contextLength) }
    : { steps: 500, longest: Math.min(8192, contextLength) };
}

/** Shorter sequences leave too few tokens between sink and window. */
export const shortestSequence = 384;
