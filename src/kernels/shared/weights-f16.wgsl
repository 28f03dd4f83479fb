// Eight weights of a row against eight inputs: f16, two to a u32. The scales binding is unused.
@group(0) @binding(1) var<storage, read> weights: array<vec4u>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

fn octetDot(row: u32, octet: u32, octets: u32, a: vec4f, b: vec4f, sum: f32) -> f32 {
  let words = weights[row * octets + octet];
  let low = vec4f(unpack2x16float(words.x), unpack2x16float(words.y));
  let high = vec4f(unpack2x16float(words.z), unpack2x16float(words.w));
  return dot(low, a) + dot(high, b);
}
