// Inputs that whoever made them has packed: see packed-inputs.ts.
@group(0) @binding(3) var<storage, read> x: array<vec4u>;

fn loadInputs(firstBlock: u32, local: u32) -> BlockInputs {
  let block = firstBlock + local;
  let at = min(block, dims.blocks - 1u);
  let blocks = dims.blocks;
  let sums = bitcast<vec4f>(x[5u * blocks + at]);
  var squares = vec4f(0.0);
  if (hasNorm) {
    squares = select(squares, bitcast<vec4f>(x[6u * blocks + at]), block < blocks);
  }
  return BlockInputs(
    x[at], x[blocks + at], x[2u * blocks + at], x[3u * blocks + at],
    bitcast<vec4f>(x[4u * blocks + at]), dot(sums, vec4f(1.0)), dot(squares, vec4f(1.0)),
  );
}
