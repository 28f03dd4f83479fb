// One weight of a part: f32. The scales binding is unused.
@group(0) @binding(1) var<storage, read> weights: array<f32>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

fn weightAt(row: u32, column: u32) -> f32 {
  return weights[row * dims.rowStride + column];
}
