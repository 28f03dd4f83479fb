// 32 weights of a row against 32 inputs: bf16 (the upper half of an f32), two to a u32, first in the low half.
// The scales binding is unused.
@group(0) @binding(1) var<storage, read> weights: array<vec4u>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

struct PackedBlock {
  w0: vec4u,
  w1: vec4u,
  w2: vec4u,
  w3: vec4u,
}

fn loadBlock(row: u32, block: u32, blocks: u32) -> PackedBlock {
  let at = 4u * (row * blocks + block);
  return PackedBlock(weights[at], weights[at + 1u], weights[at + 2u], weights[at + 3u]);
}

fn dotEight(words: vec4u, a: vec4f, b: vec4f) -> f32 {
  let even = bitcast<vec4f>(words << vec4u(16u));
  let odd = bitcast<vec4f>(words & vec4u(0xffff0000u));
  return dot(even, vec4f(a.xz, b.xz)) + dot(odd, vec4f(a.yw, b.yw));
}

// sum: unused; affine formats need it.
fn dotBlock(weight: PackedBlock, x: Inputs, sum: f32) -> f32 {
  return (dotEight(weight.w0, x.v0, x.v1) + dotEight(weight.w1, x.v2, x.v3))
    + (dotEight(weight.w2, x.v4, x.v5) + dotEight(weight.w3, x.v6, x.v7));
}
