// All keys at once: a pair of dimensions is divided by the sum of weights, and done. stats: the largest score, that sum.
@group(0) @binding(5) var<storage, read_write> out: array<vec2f>;

fn keysOf(keyEnd: u32, part: vec2u) -> vec2u {
  return vec2u(0u, keyEnd);
}

fn leave(row: u32, head: u32, part: vec2u, pair: u32, sums: vec2f, stats: vec2f) {
  out[(row * dims.outStride + head * dims.headDim) / 2u + pair] = sums / stats.y;
}
