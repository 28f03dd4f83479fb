// One weight of a part: f16, two to a u32, first in the low half. The scales binding is unused.
@group(0) @binding(1) var<storage, read> weights: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

fn weightAt(row: u32, column: u32) -> f32 {
  return unpack2x16float(weights[(row * dims.rowStride + column) >> 1u])[column & 1u];
}
