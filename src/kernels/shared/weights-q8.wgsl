// 32 weights of a row against 32 inputs: q8, affine per group, w = scale · q + bias.
// weights: eight u32 words per block: byte j of word i is column 32 · block + 4 · i + j.
// scales: see scale-pair.wgsl.
override groupShift: u32; // log2(groupSize / 32)

@group(0) @binding(1) var<storage, read> weights: array<vec4u>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

struct PackedBlock {
  low: vec4u,
  high: vec4u,
  scale: f32,
  bias: f32,
}

fn loadBlock(row: u32, block: u32, blocks: u32) -> PackedBlock {
  let pair = scalePair(row * (((blocks - 1u) >> groupShift) + 1u) + (block >> groupShift));
  return PackedBlock(weights[2u * (row * blocks + block)], weights[2u * (row * blocks + block) + 1u], pair.x, pair.y);
}

// sum: of the inputs.
fn dotBlock(weight: PackedBlock, x: Inputs, sum: f32) -> f32 {
  let low = (dot(vec4f(unpack4xU8(weight.low.x)), x.v0) + dot(vec4f(unpack4xU8(weight.low.y)), x.v1))
    + (dot(vec4f(unpack4xU8(weight.low.z)), x.v2) + dot(vec4f(unpack4xU8(weight.low.w)), x.v3));
  let high = (dot(vec4f(unpack4xU8(weight.high.x)), x.v4) + dot(vec4f(unpack4xU8(weight.high.y)), x.v5))
    + (dot(vec4f(unpack4xU8(weight.high.z)), x.v6) + dot(vec4f(unpack4xU8(weight.high.w)), x.v7));
  return weight.scale * (low + high) + weight.bias * sum;
}
