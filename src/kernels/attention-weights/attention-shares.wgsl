// weights[head, token] = 2^(weights[head, token] − m) / Σ, with (m, Σ) = totals[head], for tokens 0 … step.position.
struct Dims { capacity: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> totals: array<vec2f>;
@group(0) @binding(3) var<storage, read_write> weights: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x > step.position) { return; }
  let at = id.y * dims.capacity + id.x;
  let total = totals[id.y];
  weights[at] = exp2(weights[at] - total.x) / total.y;
}
