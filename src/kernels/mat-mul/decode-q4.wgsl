// Weights of a q4 matrix: w = scale · q + bias; nibble j of a word is column 8 · word + j.
// A nibble masked in place is q · 16ʲ: the scale is divided by 16ʲ, and no shift per weight is needed.
override groupShift: u32; // log2(groupSize / 32)
override wideScales: bool; // f32 pairs instead of f16 pairs

const nibbles = vec4i(0xf, 0xf0, 0xf00, 0xf000);
const steps = vec4f(1.0, 0x1p-4, 0x1p-8, 0x1p-12);

fn scaleOf(row: u32, block: u32) -> vec2f {
  let groups = ((dims.quads / 8u - 1u) >> groupShift) + 1u;
  let group = row * groups + (block >> groupShift);
  if (wideScales) {
    return vec2f(bitcast<f32>(scales[2u * group]), bitcast<f32>(scales[2u * group + 1u]));
  }
  return unpack2x16float(scales[group]);
}

fn weights8(row: u32, octet: u32, scale: vec2f) -> Octet {
  let word = weights[row * (dims.quads / 2u) + octet];
  let low = vec4f(vec4i(bitcast<i32>(word)) & nibbles);
  let high = vec4f(vec4i(bitcast<i32>(word >> 16u)) & nibbles);
  return Octet(low * (scale.x * steps) + scale.y, high * (scale.x * steps) + scale.y);
}

fn weights4(row: u32, quad: u32) -> vec4f {
  let scale = scaleOf(row, quad / 8u);
  let word = weights[row * (dims.quads / 2u) + quad / 2u] >> (16u * (quad & 1u));
  return vec4f(vec4i(bitcast<i32>(word)) & nibbles) * (scale.x * steps) + scale.y;
}
