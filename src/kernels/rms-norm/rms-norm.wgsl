// out[row, i] = x[row, i] / sqrt(mean over i of x[row, i]² + eps) · weight[i]     (Zhang & Sennrich 2019)
// x, out: f32 [rows, width]; weight: f32 [width]. One workgroup per row.
struct Dims { rows: u32, width: u32, eps: f32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

const lanes = 256u;
var<workgroup> partial: array<f32, lanes>;

@compute @workgroup_size(lanes)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.y * groups.x + group.x;
  if (row >= dims.rows) { return; }
  let start = row * dims.width;
  var squares = 0.0;
  for (var i = lane; i < dims.width; i += lanes) {
    squares += x[start + i] * x[start + i];
  }
  partial[lane] = squares;
  for (var half = lanes / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { partial[lane] += partial[lane + half]; }
  }
  workgroupBarrier();
  let factor = inverseSqrt(partial[0] / f32(dims.width) + dims.eps);
  for (var i = lane; i < dims.width; i += lanes) {
    out[start + i] = x[start + i] * factor * weight[i];
  }
}
