// One weight of a part: q8, affine per group, w = scale · q + bias; 4 to a u32, low bits first.
// scales: see scale-pair.wgsl.

@group(0) @binding(1) var<storage, read> weights: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

fn weightAt(row: u32, column: u32) -> f32 {
  let word = weights[(row * dims.rowStride + column) >> 2u];
  let q = f32((word >> ((column & 3u) * 8u)) & 0xffu);
  let pair = scalePair(row * dims.groupsPerRow + column / dims.groupSize);
  return pair.x * q + pair.y;
}
