// Weights of an f16 matrix, two to a u32. There are no scales.
fn scaleOf(row: u32, block: u32) -> vec2f {
  return vec2f();
}

fn weights8(row: u32, octet: u32, scale: vec2f) -> Octet {
  return Octet(weights4(row, 2u * octet), weights4(row, 2u * octet + 1u));
}

fn weights4(row: u32, quad: u32) -> vec4f {
  let first = 2u * (row * dims.quads + quad);
  return vec4f(unpack2x16float(weights[first]), unpack2x16float(weights[first + 1u]));
}
