// Weights of a q4 matrix: w = scale · q + bias; nibble j of a word is column 8 · word + j.
// A nibble masked in place is q · 16ʲ: the scale is divided by 16ʲ, and no shift per weight is needed.
override groupShift: u32; // log2(groupSize / 32)

const nibbles = vec4i(0xf, 0xf0, 0xf00, 0xf000);
const steps = vec4f(1.0, 0x1p-4, 0x1p-8, 0x1p-12);

fn groupsPerRow(blocks: u32) -> u32 {
  return ((blocks - 1u) >> groupShift) + 1u;
}

fn scaleOf(firstGroup: u32, block: u32) -> Scale {
  let pair = scalePair(firstGroup + (block >> groupShift));
  return Scale(pair.x * steps, pair.y);
}

fn decode(half: u32, scale: Scale) -> vec4f {
  return vec4f(vec4i(bitcast<i32>(half)) & nibbles) * scale.steps + scale.bias;
}

fn weights8(octet: u32, scale: Scale) -> Octet {
  let word = weights[octet];
  return Octet(decode(word, scale), decode(word >> 16u, scale));
}

fn weights4(quad: u32, scale: Scale) -> vec4f {
  return decode(weights[quad / 2u] >> (16u * (quad & 1u)), scale);
}
