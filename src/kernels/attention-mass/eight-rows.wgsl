// Scores of eight neighbouring rows of one query head (the components of two vec4f) for one token of the cache.
// query: f32 [rows, qHeads, headDim]; keys (in key-*.wgsl): packed f16 [kvHeads, capacity, headDim].
// Dims come with the kernel: qHeads, headDim, scale.
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> query: array<f32>;

const lanes = 64u;

// By dimension, scaled; the second four of the rows after the first.
var<workgroup> queries: array<vec4f, 512>;

struct Eight {
  first: vec4f,
  second: vec4f,
}

// Rows beyond the chunk repeat its last.
fn loadQueries(firstRow: u32, head: u32, lane: u32) {
  for (var at = lane; at < 2u * dims.headDim; at += lanes) {
    let row = firstRow + 4u * (at % 2u);
    let start = (min(row + vec4u(0u, 1u, 2u, 3u), vec4u(step.rows - 1u)) * dims.qHeads + head) * dims.headDim + at / 2u;
    queries[at] = dims.scale * vec4f(query[start.x], query[start.y], query[start.z], query[start.w]);
  }
}

fn addProduct(sum: Eight, dimension: u32, key: vec2f) -> Eight {
  let at = 2u * dimension;
  return Eight(
    sum.first + queries[at] * key.x + queries[at + 2u] * key.y,
    sum.second + queries[at + 1u] * key.x + queries[at + 3u] * key.y,
  );
}

// Where a token is among the row's own and those before.
fn isVisible(token: u32, firstRow: u32) -> vec4<bool> {
  return vec4u(token) <= step.position + firstRow + vec4u(0u, 1u, 2u, 3u);
}
