// Weights of a bf16 matrix, two to a u32: the upper half of an f32 each. There are no scales.
fn scaleOf(row: u32, block: u32) -> vec2f {
  return vec2f();
}

fn weights8(row: u32, octet: u32, scale: vec2f) -> Octet {
  return Octet(weights4(row, 2u * octet), weights4(row, 2u * octet + 1u));
}

fn weights4(row: u32, quad: u32) -> vec4f {
  let first = 2u * (row * dims.quads + quad);
  let words = vec2u(weights[first], weights[first + 1u]);
  let even = words * 65536u; // a shift by 16: CPU adapters multiply faster than they shift
  let odd = words & vec2u(0xffff0000u);
  return bitcast<vec4f>(vec4u(even.x, odd.x, even.y, odd.y));
}
