/** Sampling with everything off: by the softmax alone. */
import type { SamplingChoices } from '../sample/sampling-params.ts';

export const plainChoices: SamplingChoices = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  logitBias: {},
  seed: 0,
};

export const greedyChoices: SamplingChoices = { ...plainChoices, temperature: 0 };
