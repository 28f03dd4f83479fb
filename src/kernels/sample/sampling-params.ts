/** One request's sampling choices, as the kernels read them: struct SamplingParams in params.wgsl. */
import { invariant } from '../../errors.ts';

/** `topK` 0, `topP` 1, `minP` 0 and penalties of 1, 0, 0 are off; `temperature` 0 is greedy.
 *  What each one does is written in sample.ref.ts. */
export interface SamplingChoices {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly repetitionPenalty: number;
  readonly frequencyPenalty: number;
  readonly presencePenalty: number;
  /** Token id → added to its logit; ids at or beyond the vocabulary are not allowed. */
  readonly logitBias: Readonly<Record<number, number>>;
  /** A safe integer; the same seed gives the same tokens. */
  readonly seed: number;
}

export const samplingParamsBytes = 48;

/** Most alternatives a record holds. */
const maxTopLogprobs = 20;

/** Below this temperature the difference of neighbouring f32 logits already decides; smaller ones count as this. */
const leastTemperature = 1e-6;

const largestF32 = 2 ** 128 - 2 ** 104;

const flags = { usesBias: 1, usesPenalties: 2, wantsLogprobs: 4, isSampled: 8 } as const;

/** The contents of the `params` buffer.
 *  @param topLogprobs alternatives to report with each token, 0 to 20; null: no log-probabilities at all. */
export function packSamplingParams(choices: SamplingChoices, topLogprobs: number | null = null): ArrayBuffer {
  check(choices, topLogprobs);
  const { temperature, minP, repetitionPenalty, frequencyPenalty, presencePenalty, seed } = choices;
  const usesPenalties = repetitionPenalty !== 1 || frequencyPenalty !== 0 || presencePenalty !== 0;
  const packed = new ArrayBuffer(samplingParamsBytes);
  const floats = new Float32Array(packed);
  const words = new Uint32Array(packed);
  floats[0] = temperature === 0 ? 1 : 1 / Math.max(temperature, leastTemperature);
  words[1] = choices.topK;
  floats[2] = choices.topP;
  floats[3] = minP === 0 ? largestF32 : Math.abs(Math.log(minP));
  floats[4] = repetitionPenalty;
  floats[5] = frequencyPenalty;
  floats[6] = presencePenalty;
  words[7] =
    (Object.keys(choices.logitBias).length > 0 ? flags.usesBias : 0) |
    (usesPenalties ? flags.usesPenalties : 0) |
    (topLogprobs === null ? 0 : flags.wantsLogprobs) |
    (temperature === 0 ? 0 : flags.isSampled);
  words[8] = seed % 2 ** 32;
  words[9] = Math.floor(seed / 2 ** 32);
  words[10] = topLogprobs ?? 0;
  return packed;
}

/** The dense form of a logit bias, f32 [vocab], the contents of the `bias` buffer. */
export function packLogitBias(
  logitBias: SamplingChoices['logitBias'],
  vocab: number,
): Float32Array<ArrayBuffer> {
  const dense = new Float32Array(vocab);
  for (const [id, bias] of Object.entries(logitBias)) {
    invariant(Number(id) < vocab, `logit bias for token ${id}, the vocabulary has ${vocab}`);
    dense[Number(id)] = bias;
  }
  return dense;
}

/** What the penalties know at the start of an answer, u32 [vocab]: bit 31 for the tokens of the prompt, and in the
 *  other bits how often the answer holds a token, here 0. */
export function packHistory(prompt: readonly number[], vocab: number): Uint32Array<ArrayBuffer> {
  const history = new Uint32Array(vocab);
  for (const token of prompt) {
    invariant(token < vocab, `prompt token ${token}, the vocabulary has ${vocab}`);
    history[token] = 0x80000000;
  }
  return history;
}

function check(choices: SamplingChoices, topLogprobs: number | null): void {
  const { temperature, topK, topP, minP, repetitionPenalty, seed } = choices;
  const claims: readonly (readonly [boolean, string])[] = [
    [temperature >= 0, `temperature must be at least 0, got ${temperature}`],
    [Number.isInteger(topK) && topK >= 0 && topK < 2 ** 32, `topK must be a u32, got ${topK}`],
    [topP > 0 && topP <= 1, `topP must be above 0 and at most 1, got ${topP}`],
    [minP >= 0 && minP <= 1, `minP must be within 0 and 1, got ${minP}`],
    [repetitionPenalty > 0, `repetitionPenalty must be above 0, got ${repetitionPenalty}`],
    [Number.isSafeInteger(seed), `seed must be a safe integer, got ${seed}`],
    [
      topLogprobs === null ||
        (Number.isInteger(topLogprobs) && topLogprobs >= 0 && topLogprobs <= maxTopLogprobs),
      `topLogprobs must be an integer within 0 and ${maxTopLogprobs}, got ${topLogprobs}`,
    ],
  ];
  for (const [holds, message] of claims) invariant(holds, message);
}
