// Weights of a bf16 matrix, two to a u32: the upper half of an f32 each. There are no scales.
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
  let words = vec2u(weights[2u * quad], weights[2u * quad + 1u]);
  let even = words * 65536u; // a shift by 16: CPU adapters multiply faster than they shift
  let odd = words & vec2u(0xffff0000u);
  return bitcast<vec4f>(vec4u(even.x, odd.x, even.y, odd.y));
}
