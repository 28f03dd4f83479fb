// Weights of an f16 matrix, two to a u32. There are no scales.
fn groupsPerRow(blocks: u32) -> u32 {
  return 0u;
}

fn scaleOf(firstGroup: u32, block: u32) -> Scale {
  return Scale();
}

fn weights8(octet: u32, scale: Scale) -> Octet {
  return Octet(weights4(2u * octet, scale), weights4(2u * octet + 1u, scale));
}

fn weights4(quad: u32, scale: Scale) -> vec4f {
  return vec4f(unpack2x16float(weights[2u * quad]), unpack2x16float(weights[2u * quad + 1u]));
}
