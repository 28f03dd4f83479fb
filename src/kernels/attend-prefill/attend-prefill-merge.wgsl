// Puts the parts of prefill-parts.wgsl together: out = Σ 2^(maxₚ − max) · sumsₚ / Σ 2^(maxₚ − max) · weightₚ.
// An invocation takes two dimensions of one row and head. The first part has the first key, which every row sees: what a part
// without visible keys says weighs 2^(lowest − max) = 0 beside it.
struct Dims {
  heads: u32,
  headDim: u32, // even
  parts: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> partials: array<vec2f>;
@group(0) @binding(3) var<storage, read_write> out: array<vec2f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) count: vec3u) {
  let index = id.y * count.x * 64u + id.x;
  let pairs = dims.headDim / 2u;
  let rows = step.rows * dims.heads;
  if (index >= rows * pairs) { return; }
  let row = index / pairs;
  let pair = index % pairs;
  var highest = partials[row * (pairs + 1u) + pairs].x;
  var weight = 0.0;
  var sums = vec2f();
  for (var part = 0u; part < dims.parts; part++) {
    let start = (part * rows + row) * (pairs + 1u);
    let stats = partials[start + pairs];
    let before = highest;
    highest = max(highest, stats.x);
    let keep = exp2(before - highest);
    let gain = exp2(stats.x - highest);
    weight = weight * keep + stats.y * gain;
    sums = sums * keep + partials[start + pair] * gain;
  }
  out[index] = sums / weight;
}
