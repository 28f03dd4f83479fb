// totals[head] = (m, Σ 2^(x − m)) over x = weights[head, 0 … step.position], with m their maximum. One workgroup per
// query head: each lane keeps the pair of its own tokens, rescaling when its maximum rises; then the pairs are joined.
struct Dims { capacity: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> totals: array<vec2f>;

const lanes = 256u;
const noScore = -3.0e38;
var<workgroup> pairs: array<vec2f, lanes>;

@compute @workgroup_size(lanes)
fn main(@builtin(workgroup_id) head: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = head.x * dims.capacity;
  var own = vec2f(noScore, 0.0);
  for (var token = lane; token <= step.position; token += lanes) {
    own = joined(own, vec2f(weights[start + token], 1.0));
  }
  pairs[lane] = own;
  for (var half = lanes / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { pairs[lane] = joined(pairs[lane], pairs[lane + half]); }
  }
  if (lane == 0u) { totals[head.x] = pairs[0]; }
}

fn joined(a: vec2f, b: vec2f) -> vec2f {
  let top = max(a.x, b.x);
  return vec2f(top, a.y * exp2(a.x - top) + b.y * exp2(b.x - top));
}
