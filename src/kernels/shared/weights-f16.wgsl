// Eight weights of a row against eight inputs: f16, two to a u32. The scales binding is unused.
@group(0) @binding(1) var<storage, read> weights: array<vec4u>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

struct PackedOctet {
  words: vec4u,
}

fn loadOctet(row: u32, octet: u32, octets: u32) -> PackedOctet {
  return PackedOctet(weights[row * octets + octet]);
}

fn dotOctet(weight: PackedOctet, a: vec4f, b: vec4f, sum: f32) -> f32 {
  let low = vec4f(unpack2x16float(weight.words.x), unpack2x16float(weight.words.y));
  let high = vec4f(unpack2x16float(weight.words.z), unpack2x16float(weight.words.w));
  return dot(low, a) + dot(high, b);
}
