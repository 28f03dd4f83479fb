// 32 weights of a row against 32 inputs: q4, affine per group, w = scale · q + bias.
// weights: four u32 words per block: nibble j of word i is column 32 · block + 8 · i + j.
// scales: see scale-pair.wgsl.
override groupShift: u32; // log2(groupSize / 32)

@group(0) @binding(1) var<storage, read> weights: array<vec4u>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

struct PackedBlock {
  words: vec4u,
  scale: f32,
  bias: f32,
}

fn loadBlock(row: u32, block: u32, blocks: u32) -> PackedBlock {
  let pair = scalePair(row * (((blocks - 1u) >> groupShift) + 1u) + (block >> groupShift));
  return PackedBlock(weights[row * blocks + block], pair.x, pair.y);
}

fn dotWord(word: u32, a: vec4f, b: vec4f) -> f32 {
  let even = vec4f(unpack4xU8(word & 0x0f0f0f0fu));
  let odd = vec4f(unpack4xU8((word >> 4u) & 0x0f0f0f0fu));
  return dot(even, vec4f(a.xz, b.xz)) + dot(odd, vec4f(a.yw, b.yw));
}

// sum: of the inputs.
fn dotBlock(weight: PackedBlock, x: Inputs, sum: f32) -> f32 {
  let product = (dotWord(weight.words.x, x.v0, x.v1) + dotWord(weight.words.y, x.v2, x.v3))
    + (dotWord(weight.words.z, x.v4, x.v5) + dotWord(weight.words.w, x.v6, x.v7));
  return weight.scale * product + weight.bias * sum;
}
