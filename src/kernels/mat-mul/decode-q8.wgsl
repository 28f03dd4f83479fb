// Weights of a q8 matrix: w = scale · q + bias; byte j of a word is column 4 · word + j.
// A byte masked in place is q · 256ʲ: the scale is divided by 256ʲ; only the top byte, the sign's, is shifted.
override groupShift: u32; // log2(groupSize / 32)
override wideScales: bool; // f32 pairs instead of f16 pairs

const steps = vec4f(1.0, 0x1p-8, 0x1p-16, 1.0);

fn scaleOf(row: u32, block: u32) -> vec2f {
  let groups = ((dims.quads / 8u - 1u) >> groupShift) + 1u;
  let group = row * groups + (block >> groupShift);
  if (wideScales) {
    return vec2f(bitcast<f32>(scales[2u * group]), bitcast<f32>(scales[2u * group + 1u]));
  }
  return unpack2x16float(scales[group]);
}

fn decode(word: u32, scale: vec2f) -> vec4f {
  let bytes = vec4u(word & 0xffu, word & 0xff00u, word & 0xff0000u, word >> 24u);
  return vec4f(bitcast<vec4i>(bytes)) * (scale.x * steps) + scale.y;
}

fn weights8(row: u32, octet: u32, scale: vec2f) -> Octet {
  let first = row * dims.quads + 2u * octet;
  return Octet(decode(weights[first], scale), decode(weights[first + 1u], scale));
}

fn weights4(row: u32, quad: u32) -> vec4f {
  return decode(weights[row * dims.quads + quad], scaleOf(row, quad / 8u));
}
