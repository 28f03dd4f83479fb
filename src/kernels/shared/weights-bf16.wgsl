// Eight weights of a row against eight inputs: bf16 (the upper half of an f32), two to a u32, first in the low half.
// The scales binding is unused.
@group(0) @binding(1) var<storage, read> weights: array<vec4u>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

struct PackedOctet {
  words: vec4u,
}

fn loadOctet(row: u32, octet: u32, octets: u32) -> PackedOctet {
  return PackedOctet(weights[row * octets + octet]);
}

fn dotOctet(weight: PackedOctet, a: vec4f, b: vec4f, sum: f32) -> f32 {
  let even = bitcast<vec4f>(weight.words << vec4u(16u));
  let odd = bitcast<vec4f>(weight.words & vec4u(0xffff0000u));
  return dot(even, vec4f(a.xz, b.xz)) + dot(odd, vec4f(a.yw, b.yw));
}
