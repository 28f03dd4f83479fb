// First pass, one workgroup per chunk: adjusted[i] = adjust(logits[i]), and the chunk's largest values and sums.
// adjust: + bias; repetition penalty r on tokens seen anywhere (positive / r, negative · r); - frequency · times in the
// answer; - presence if in the answer; / temperature. A lane takes every `lanes`-th logit, then a tree joins the lanes; 4 lanes suit an
// adapter that runs on the CPU, where a barrier costs as much as the work between two of them.
// logits, bias, adjusted: f32 [vocab]; history: u32 [vocab], bit 31 in the prompt, other bits times in the answer.
struct Dims {
  vocab: u32,
}
override lanes: u32; // a power of two

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> params: SamplingParams;
@group(0) @binding(2) var<storage, read> logits: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> history: array<u32>;
@group(0) @binding(5) var<storage, read_write> adjusted: array<f32>;
@group(0) @binding(6) var<storage, read_write> chunks: array<Chunk>;

var<workgroup> partial: array<Chunk, lanes>;

fn adjust(raw: f32, id: u32) -> f32 {
  var value = raw;
  if ((params.flags & usesBias) != 0u) {
    value += bias[id];
  }
  if ((params.flags & usesPenalties) != 0u) {
    let seen = history[id];
    if (seen != 0u) {
      value = select(value * params.repetitionPenalty, value / params.repetitionPenalty, value > 0.0);
    }
    let times = seen & 0x7fffffffu;
    value -= params.frequencyPenalty * f32(times);
    if (times > 0u) {
      value -= params.presencePenalty;
    }
  }
  // ±1e30 times the largest inverse temperature, 1e6, stays finite, as do differences.
  return clamp(value, -1.0e30, 1.0e30) * params.inverseTemperature;
}

// Two parts of a chunk as one: largest values and lowest ids.
fn joinLargest(a: Chunk, b: Chunk) -> Chunk {
  var result = a;
  if (precedes(b.largest, b.id, a.largest, a.id)) {
    result.largest = b.largest;
    result.id = b.id;
  }
  if (precedes(b.rawLargest, b.rawId, a.rawLargest, a.rawId)) {
    result.rawLargest = b.rawLargest;
    result.rawId = b.rawId;
  }
  return result;
}

fn join(a: Chunk, b: Chunk) -> Chunk {
  var result = joinLargest(a, b);
  if ((params.flags & isSampled) != 0u) {
    result.sum = a.sum * weightOf(result.largest - a.largest) + b.sum * weightOf(result.largest - b.largest);
  }
  if ((params.flags & wantsLogprobs) != 0u) {
    result.rawSum =
      a.rawSum * weightOf(result.rawLargest - a.rawLargest) + b.rawSum * weightOf(result.rawLargest - b.rawLargest);
  }
  return result;
}

@compute @workgroup_size(lanes)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let first = workgroup.x * chunkSize + lane;
  var mine = Chunk(belowAll, noToken, 0.0, belowAll, noToken, 0.0);
  for (var i = 0u; i < chunkSize / lanes; i++) {
    let id = first + i * lanes;
    if (id < dims.vocab) {
      let raw = clampLogit(logits[id]);
      let value = adjust(raw, id);
      adjusted[id] = value;
      mine = joinLargest(mine, Chunk(value, id, 0.0, raw, id, 0.0));
    }
  }
  if ((params.flags & isSampled) != 0u) {
    for (var i = 0u; i < chunkSize / lanes; i++) {
      let id = first + i * lanes;
      if (id < dims.vocab) {
        mine.sum += weightOf(mine.largest - adjusted[id]);
      }
    }
  }
  if ((params.flags & wantsLogprobs) != 0u) {
    for (var i = 0u; i < chunkSize / lanes; i++) {
      let id = first + i * lanes;
      if (id < dims.vocab) {
        mine.rawSum += weightOf(mine.rawLargest - clampLogit(logits[id]));
      }
    }
  }
  partial[lane] = mine;
  for (var half = lanes / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      partial[lane] = join(partial[lane], partial[lane + half]);
    }
  }
  if (lane == 0u) {
    chunks[workgroup.x] = partial[0];
  }
}
