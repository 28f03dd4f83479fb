// Eight weights of a row against eight inputs: f32. The scales binding is unused.
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

fn octetDot(row: u32, octet: u32, octets: u32, a: vec4f, b: vec4f, sum: f32) -> f32 {
  let at = 2u * (row * octets + octet);
  return dot(weights[at], a) + dot(weights[at + 1u], b);
}
