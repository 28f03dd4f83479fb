// Causal attention of a chunk: out[t, h] = Σⱼ softmaxⱼ(scale · query[t, h] · K[j]) · V[j], j = 0 .. position + t.
// Exact, one pass over the keys with a running maximum (Dao et al. 2022).
// query: f32 [rows, queryStride], head h at column h · headDim; out: f32 [rows, qHeads · headDim];
// keys, values: packed f16 [kvHeads, capacity, headDim]; head h reads KV head h / group.
// This file: bindings and input; attend-prefill-*.wgsl is the parallel scheme, prefill-*.wgsl what it takes and leaves.
// step.position: of the chunk's first row, whose own key is already in the cache; step.rows: of this chunk.
struct Dims {
  queryStride: u32,
  outStride: u32,
  headDim: u32, // even
  group: u32, // query heads to a KV head
  capacity: u32,
  scale: f32, // includes log2(e): powers of two are taken instead of e
}
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> query: array<vec2f>;
@group(0) @binding(3) var<storage, read> keys: array<u32>;
@group(0) @binding(4) var<storage, read> values: array<u32>;

// Finite stand-in for −∞; differences with any score stay finite too.
const lowest = -3.0e38;

// Where a row of a query head starts, in pairs. Rows beyond the chunk repeat its last.
fn queryStart(row: u32, head: u32) -> u32 {
  return (min(row, step.rows - 1u) * dims.queryStride + head * dims.headDim) / 2u;
}

// Where a token of a KV head starts, in words. Tokens beyond the chunk repeat its last.
fn cacheStart(token: u32, kvHead: u32) -> u32 {
  let last = step.position + step.rows - 1u;
  return (kvHead * dims.capacity + min(token, last)) * (dims.headDim / 2u);
}

// Dimensions 4 · quad .. of a query, key or value; zero beyond headDim.
fn query4(start: u32, quad: u32) -> vec4f {
  if (4u * quad >= dims.headDim) { return vec4f(); }
  let low = query[start + 2u * quad];
  return vec4f(low, select(vec2f(), query[start + 2u * quad + 1u], 4u * quad + 2u < dims.headDim));
}

fn key4(start: u32, quad: u32) -> vec4f {
  if (4u * quad >= dims.headDim) { return vec4f(); }
  let high = select(0u, keys[start + 2u * quad + 1u], 4u * quad + 2u < dims.headDim);
  return vec4f(unpack2x16float(keys[start + 2u * quad]), unpack2x16float(high));
}

fn value4(start: u32, quad: u32) -> vec4f {
  if (4u * quad >= dims.headDim) { return vec4f(); }
  let high = select(0u, values[start + 2u * quad + 1u], 4u * quad + 2u < dims.headDim);
  return vec4f(unpack2x16float(values[start + 2u * quad]), unpack2x16float(high));
}
