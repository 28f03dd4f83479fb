// Eight weights of a row against eight inputs: f32. The scales binding is unused.
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

struct PackedOctet {
  low: vec4f,
  high: vec4f,
}

fn loadOctet(row: u32, octet: u32, octets: u32) -> PackedOctet {
  let at = 2u * (row * octets + octet);
  return PackedOctet(weights[at], weights[at + 1u]);
}

fn dotOctet(weight: PackedOctet, a: vec4f, b: vec4f, sum: f32) -> f32 {
  return dot(weight.low, a) + dot(weight.high, b);
}
