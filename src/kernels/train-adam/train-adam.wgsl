// One step of Adam: m ← β₁m + (1 − β₁)g,  v ← β₂v + (1 − β₂)g²,  p ← p − rate · m̂ / (√v̂ + ε).
// Kingma and Ba 2015, arXiv:1412.6980, algorithm 1. moments: [count, 2], m then v.
struct Dims { count: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> train: TrainStep;
@group(0) @binding(2) var<storage, read> gradients: array<f32>;
@group(0) @binding(3) var<storage, read_write> moments: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> parameters: array<f32>;

const beta1 = 0.9;
const beta2 = 0.999;
const epsilon = 1e-8;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 256u + lane;
  if (index >= dims.count) { return; }
  let gradient = gradients[index];
  let old = moments[index];
  let moment = vec2f(
    beta1 * old.x + (1.0 - beta1) * gradient,
    beta2 * old.y + (1.0 - beta2) * gradient * gradient,
  );
  moments[index] = moment;
  let size = sqrt(moment.y * train.correction2) + epsilon;
  parameters[index] -= train.rate * moment.x * train.correction1 / size;
}
