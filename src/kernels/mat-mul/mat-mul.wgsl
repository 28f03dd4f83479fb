// out[t, outColumn + r] = Σₖ x[xRow + t, k] · W[r, k]  + bias[firstRow + r]  + (accumulate: what out held)
// x: f32 [.., xStride]; W: one part of a packed matrix [rows, 4 · quads], columns ≤ 4 · quads; out: f32 [tokens, outStride].
// This file: bindings, input and output. decode-*.wgsl reads weights, mat-mul-*.wgsl is the parallel scheme.
struct Dims {
  tokens: u32,
  rows: u32, // in this part
  columns: u32,
  quads: u32, // row stride of W / 4, a multiple of 8
  xRow: u32,
  xQuads: u32, // row stride of x / 4
  outStride: u32,
  outColumn: u32, // column of this part's first row
  firstRow: u32, // index of this part's first row in bias
  hasBias: u32,
  accumulate: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> weights: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;
@group(0) @binding(3) var<storage, read> x: array<vec4f>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

// Eight neighbouring columns of a row.
struct Octet { low: vec4f, high: vec4f }
// Of a group of columns: w = bias + steps · the fields of a word, masked in place.
struct Scale { steps: vec4f, bias: f32 }

// The first `count` of four neighbouring inputs; zero in place of the others.
fn first(count: u32, inputs: vec4f) -> vec4f {
  return select(vec4f(), inputs, vec4u(0u, 1u, 2u, 3u) < vec4u(count));
}

fn inputStart(token: u32) -> u32 {
  return (dims.xRow + min(token, dims.tokens - 1u)) * dims.xQuads;
}

fn store(token: u32, row: u32, sum: f32) {
  if (token >= dims.tokens || row >= dims.rows) { return; }
  let index = token * dims.outStride + dims.outColumn + row;
  var value = sum;
  if (dims.hasBias != 0u) { value += bias[dims.firstRow + row]; }
  if (dims.accumulate != 0u) { value += out[index]; }
  out[index] = value;
}

fn store4(token: u32, row: u32, sums: vec4f) {
  for (var i = 0u; i < 4u; i++) {
    store(token, row + i, sums[i]);
  }
}
