// The keys in parts, each of whole tiles of 32, so that a short chunk behind a long context has work for every multiprocessor.
// A part is (index, count). It leaves its sums undivided for attend-prefill-merge.wgsl; one without keys leaves none of weight.
// partials: f32 [parts, rows, qHeads, headDim + 2]: sums, the largest score, the sum of weights.
@group(0) @binding(5) var<storage, read_write> partials: array<vec2f>;

fn keysOf(keyEnd: u32, part: vec2u) -> vec2u {
  let keys = step.position + step.rows;
  let length = 32u * ((keys + 32u * part.y - 1u) / (32u * part.y));
  return min(vec2u(part.x, part.x + 1u) * length, vec2u(keyEnd));
}

fn leave(row: u32, head: u32, part: vec2u, pair: u32, sums: vec2f, stats: vec2f) {
  let pairs = dims.headDim / 2u;
  let heads = dims.outStride / dims.headDim;
  let start = ((part.x * step.rows + row) * heads + head) * (pairs + 1u);
  partials[start + pair] = sums;
  if (pair == 0u) { partials[start + pairs] = stats; }
}
