// out[o, t, i] = f′(values[o, t, i]) · slopes[o, i]: the slope of a sum over `terms` passed on to each of them.
struct Dims { count: u32, kind: u32, terms: u32, inner: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> train: TrainStep;
@group(0) @binding(2) var<storage, read> values: array<f32>;
@group(0) @binding(3) var<storage, read> slopes: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 256u + lane;
  if (index >= dims.count) { return; }
  let x = values[index];
  let slope = slopes[index / (dims.terms * dims.inner) * dims.inner + index % dims.inner];
  let share = logistic(x);
  var factor = share * (1.0 + x * (1.0 - share));
  if (dims.kind == tanhOf) {
    // 1 − tanh² = 4 · σ(2x) · σ(−2x), without cancellation
    let y = 2.0 * train.beta * x;
    factor = train.beta * 4.0 * logistic(y) * logistic(-y);
  }
  out[index] = factor * slope;
}
