// One request's choices; written by sampling-params.ts, whose field order this repeats.
struct SamplingParams {
  inverseTemperature: f32,
  topK: u32,             // 0: off
  topP: f32,             // 1: off
  minPDistance: f32,     // -ln(minP): tokens this far below the largest logit survive
  repetitionPenalty: f32,
  frequencyPenalty: f32,
  presencePenalty: f32,
  flags: u32,
  seedLow: u32,
  seedHigh: u32,
  topLogprobs: u32,
  unused: u32,
}

const usesBias = 1u;
const usesPenalties = 2u;
const wantsLogprobs = 4u;
const isSampled = 8u;
