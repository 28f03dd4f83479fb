// Weights of an f32 matrix. There are no scales.
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
  let at = 4u * quad;
  return bitcast<vec4f>(vec4u(weights[at], weights[at + 1u], weights[at + 2u], weights[at + 3u]));
}
