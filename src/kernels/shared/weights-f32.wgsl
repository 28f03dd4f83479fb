// 32 weights of a row against 32 inputs: f32. The scales binding is unused.
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

struct PackedBlock {
  values: Inputs,
}

fn loadBlock(row: u32, block: u32, blocks: u32) -> PackedBlock {
  let at = 8u * (row * blocks + block);
  return PackedBlock(Inputs(
    weights[at], weights[at + 1u], weights[at + 2u], weights[at + 3u],
    weights[at + 4u], weights[at + 5u], weights[at + 6u], weights[at + 7u],
  ));
}

// sum: unused; affine formats need it.
fn dotBlock(weight: PackedBlock, x: Inputs, sum: f32) -> f32 {
  let w = weight.values;
  return ((dot(w.v0, x.v0) + dot(w.v1, x.v1)) + (dot(w.v2, x.v2) + dot(w.v3, x.v3)))
    + ((dot(w.v4, x.v4) + dot(w.v5, x.v5)) + (dot(w.v6, x.v6) + dot(w.v7, x.v7)));
}
