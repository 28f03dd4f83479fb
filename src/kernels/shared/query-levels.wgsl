// What a query's mapped values are quantised to, b bits each:
//   u = clamp(floor(s / scale) + 2^(b − 1), 0, 2^b − 1),  scale = max|s| / (2^(b − 1) − ½), 1 if all are zero.
fn levelScale(largest: f32, levelBits: u32) -> f32 {
  return select(1.0, largest / (f32(1u << levelBits) / 2.0 - 0.5), largest > 0.0);
}

fn levelsOf(values: vec4f, scale: f32, levelBits: u32) -> vec4u {
  let half = 1 << (levelBits - 1u);
  return vec4u(clamp(vec4i(floor(values / scale)) + half, vec4i(0), vec4i(2 * half - 1)));
}
