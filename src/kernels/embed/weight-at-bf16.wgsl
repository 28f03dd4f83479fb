// One weight of a part: bf16 (the upper half of an f32), two to a u32. The scales binding is unused.
@group(0) @binding(1) var<storage, read> weights: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

fn weightAt(row: u32, column: u32) -> f32 {
  let word = weights[(row * dims.rowStride + column) >> 1u];
  return bitcast<f32>(select(word << 16u, word & 0xffff0000u, (column & 1u) == 1u));
}
