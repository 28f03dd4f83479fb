// Loss of the token that came next, a workgroup per row: ln Σ e^logit − logit[target], and the likeliest token.
// logits: f32 [rows, vocab]; targets: u32 [rows]; losses: f32 [rows]; tops: u32 [rows], the lowest id among equals.
struct Dims {
  vocab: u32,
}
override lanes: u32; // of a workgroup, a power of two
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<u32>;
@group(0) @binding(3) var<storage, read_write> losses: array<f32>;
@group(0) @binding(4) var<storage, read_write> tops: array<u32>;

// Finite stand-in for −∞.
const lowest = -3.0e38;

struct Best {
  logit: f32,
  token: u32,
}

var<workgroup> bests: array<Best, lanes>;
var<workgroup> sums: array<f32, lanes>;

fn better(a: Best, b: Best) -> Best {
  if (b.logit > a.logit || (b.logit == a.logit && b.token < a.token)) { return b; }
  return a;
}

@compute @workgroup_size(lanes)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = workgroup.x;
  let begin = row * dims.vocab;
  var best = Best(lowest, 0xffffffffu);
  for (var token = lane; token < dims.vocab; token += lanes) {
    best = better(best, Best(logits[begin + token], token));
  }
  bests[lane] = best;
  for (var reach = lanes / 2u; reach > 0u; reach /= 2u) {
    workgroupBarrier();
    if (lane < reach) { bests[lane] = better(bests[lane], bests[lane + reach]); }
  }
  workgroupBarrier();
  let highest = bests[0].logit;
  var sum = 0.0;
  for (var token = lane; token < dims.vocab; token += lanes) {
    sum += exp(logits[begin + token] - highest);
  }
  sums[lane] = sum;
  for (var reach = lanes / 2u; reach > 0u; reach /= 2u) {
    workgroupBarrier();
    if (lane < reach) { sums[lane] += sums[lane + reach]; }
  }
  if (lane == 0u) {
    losses[row] = log(sums[0]) + (highest - logits[begin + targets[row]]);
    tops[row] = bests[0].token;
  }
}
