// out[i] = f(values[i])
struct Dims { count: u32, kind: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> train: TrainStep;
@group(0) @binding(2) var<storage, read> values: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 256u + lane;
  if (index >= dims.count) { return; }
  let x = values[index];
  var y = select(-1.0, 1.0, x > 0.0);
  if (dims.kind == silu) { y = x * logistic(x); }
  if (dims.kind == tanhOf) { y = tanhSafe(train.beta * x); }
  out[index] = y;
}
