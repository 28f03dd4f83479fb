// Weights of an f32 matrix. There are no scales.
fn scaleOf(row: u32, block: u32) -> vec2f {
  return vec2f();
}

fn weights8(row: u32, octet: u32, scale: vec2f) -> Octet {
  return Octet(weights4(row, 2u * octet), weights4(row, 2u * octet + 1u));
}

fn weights4(row: u32, quad: u32) -> vec4f {
  let first = 4u * (row * dims.quads + quad);
  return bitcast<vec4f>(vec4u(weights[first], weights[first + 1u], weights[first + 2u], weights[first + 3u]));
}
