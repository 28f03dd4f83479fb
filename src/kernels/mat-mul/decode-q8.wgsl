// Weights of a q8 matrix: w = scale · q + bias; byte j of a word is column 4 · word + j.
// A byte masked in place is q · 256ʲ: the scale is divided by 256ʲ; no shift per weight is needed.
override groupShift: u32; // log2(groupSize / 32)

const steps = vec4f(1.0, 0x1p-8, 0x1p-16, 0x1p-24);

fn groupsPerRow(blocks: u32) -> u32 {
  return ((blocks - 1u) >> groupShift) + 1u;
}

fn scaleOf(firstGroup: u32, block: u32) -> Scale {
  let pair = scalePair(firstGroup + (block >> groupShift));
  return Scale(pair.x * steps, pair.y);
}

fn weights8(octet: u32, scale: Scale) -> Octet {
  return Octet(weights4(2u * octet, scale), weights4(2u * octet + 1u, scale));
}

fn weights4(quad: u32, scale: Scale) -> vec4f {
  let word = weights[quad];
  let low = vec3f(vec3i(bitcast<i32>(word)) & vec3i(0xff, 0xff00, 0xff0000));
  return vec4f(low, f32(word & 0xff000000u)) * scale.steps + scale.bias;
}
