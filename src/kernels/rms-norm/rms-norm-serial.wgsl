// out[row, i] = x[row, i] / sqrt(mean over i of x[row, i]² + eps) · weight[i]     (Zhang & Sennrich 2019)
// x, out: f32 [rows, width]; weight: f32 [width]. One invocation per row, no barriers: for adapters that run on the CPU.
struct Dims { rows: u32, width: u32, eps: f32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(4)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x;
  if (row >= dims.rows) { return; }
  let start = row * dims.width;
  var squares = 0.0;
  for (var i = 0u; i < dims.width; i++) {
    squares += x[start + i] * x[start + i];
  }
  let factor = inverseSqrt(squares / f32(dims.width) + dims.eps);
  for (var i = 0u; i < dims.width; i++) {
    out[start + i] = x[start + i] * factor * weight[i];
  }
}
