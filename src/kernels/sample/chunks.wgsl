// The vocabulary is cut into chunks, one per workgroup of a parallel pass; at most 256, so that the last
// pass has room for a counter of each.
// Distances d = largest adjusted logit - adjusted logit replace the logits after the first pass: exp(-d) is a token's
// weight, and the bits of a non-negative f32 are ordered as the numbers are, so they serve as an exact integer key.
const chunkSize = 2048u;

const noToken = 0xffffffffu;
const leastLogit = -3.0e38;   // model logits are clamped to ±3e38
const belowAll = -3.4e38;     // less than any clamped logit

// Largest value, its lowest id and Σ exp(value - largest) over one chunk: of adjusted logits (the sum only for sampled
// requests) and of the model's own (the sum only for log-probabilities).
struct Chunk {
  largest: f32,
  id: u32,
  sum: f32,
  rawLargest: f32,
  rawId: u32,
  rawSum: f32,
}

// exp(-distance) for distance ≥ 0; 0 where f32 has no normal number left.
fn weightOf(distance: f32) -> f32 {
  return select(0.0, exp(-min(distance, 87.0)), distance <= 87.0);
}

fn clampLogit(value: f32) -> f32 {
  return clamp(value, leastLogit, -leastLogit);
}

// Larger value first, then lower id: the order of greedy choice and of reported alternatives.
fn precedes(value: f32, id: u32, otherValue: f32, otherId: u32) -> bool {
  return value > otherValue || (value == otherValue && id < otherId);
}
