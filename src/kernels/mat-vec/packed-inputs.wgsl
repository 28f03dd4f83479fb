// Inputs that whoever made them has packed, times the gain of the norm: packed-vector.ts.
@group(0) @binding(3) var<storage, read> x: array<vec4u>;

// What a lane holds of a block of 32 inputs.
struct BlockInputs {
  word0: vec4u, // bytes of the octet that meets the first word of weights
  word1: vec4u,
  word2: vec4u,
  word3: vec4u,
  steps: vec4f,
  sum: f32,
  squares: f32, // before the gain, where there is a norm
}

fn loadInputs(block: u32) -> BlockInputs {
  let blocks = dims.blocks;
  let sums = bitcast<vec4f>(x[5u * blocks + block]);
  var squares = vec4f(0.0);
  if (dims.normed != 0u) {
    squares = bitcast<vec4f>(x[6u * blocks + block]);
  }
  return BlockInputs(
    x[block], x[blocks + block], x[2u * blocks + block], x[3u * blocks + block],
    bitcast<vec4f>(x[4u * blocks + block]), dot(sums, vec4f(1.0)), dot(squares, vec4f(1.0)),
  );
}
