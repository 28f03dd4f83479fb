// out = finish(W · n(x) + bias), one token. n(x) = x, or with a norm x · gain / sqrt(mean(x²) + eps): the factor
// is the same for every column, so it is applied after the sum and costs no pass of its own.
// finish: store; add to what `out` holds (the residual); for a gate row and an up row, silu(gate) · up; or, where rows are
// heads of query, key and value, rotate those by the position and append keys and values to the cache.
//
// A team of `lanes` invocations works on up to four rows, the components of a vec4f: nothing is indexed at run time,
// so everything stays in registers. A lane takes every `lanes`-th block of 32 columns and uses its inputs for all rows
// of the team. This file holds what every variant shares: a team's products with a block. What a product does beside its
// sums, uniforms tell: the products of a layer then share a pipeline, and their code stays in the instruction cache. Only
// products by floats that make heads are apart (finish-heads.wgsl), as they bind other buffers.
struct Dims {
  rows: u32,      // rows of W in this part
  blocks: u32,    // row stride / 32
  columns: u32,   // inputs, for the mean
  firstOut: u32,  // index in out (and bias) of the first row
  upBias: u32,    // gated: index in bias of the first up row
  outBlocks: u32, // of 32 outputs, all parts together
  eps: f32,
  normed: u32,    // 0 or 1
  biased: u32,    // 0 or 1
  finish: u32,    // 0 store, 1 add, 2 gated, 3 heads
  pairs: u32,     // in integers: of teams, in a workgroup; from a pair's first row to the next pair's
  stride: u32,
  apart: u32,     // and from a pair's first row to its second team's
  packs: u32,     // outputs are also left packed: 0 no, 1 as they are, 2 times a gain
  readers: u32,   // workgroups of read-ahead.wgsl; what follows is theirs
  aheadHeads: u32,
  aheadHeadWords: u32,
  aheadRowWords: u32,
  firstHead: u32, // of the heads in this part, and so on: 0 where rows are no heads
  headDim: u32,
  qHeads: u32,
  kvHeads: u32,
  capacity: u32,  // rows of a head in the caches
}
override lanes: u32;
override rowsPerTeam: u32; // 1, 2 or 4; even when gated, 4 for heads

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

struct PackedRows {
  w0: PackedBlock,
  w1: PackedBlock,
  w2: PackedBlock,
  w3: PackedBlock,
}

fn loadRows(rows: vec4u, block: u32) -> PackedRows {
  var packed: PackedRows;
  packed.w0 = loadBlock(rows.x, block, dims.blocks);
  if (rowsPerTeam > 1u) {
    packed.w1 = loadBlock(rows.y, block, dims.blocks);
  }
  if (rowsPerTeam > 2u) {
    packed.w2 = loadBlock(rows.z, block, dims.blocks);
    packed.w3 = loadBlock(rows.w, block, dims.blocks);
  }
  return packed;
}

fn dotRows(packed: PackedRows, x: Inputs) -> vec4f {
  let sum = sumOf(x);
  var sums = vec4f(dotBlock(packed.w0, x, sum), 0.0, 0.0, 0.0);
  if (rowsPerTeam > 1u) {
    sums.y = dotBlock(packed.w1, x, sum);
  }
  if (rowsPerTeam > 2u) {
    sums.z = dotBlock(packed.w2, x, sum);
    sums.w = dotBlock(packed.w3, x, sum);
  }
  return sums;
}

// What a norm multiplies sums by; squares: Σ x².
fn factorOf(squares: f32) -> f32 {
  if (dims.normed != 0u) {
    return inverseSqrt(squares / f32(dims.columns) + dims.eps);
  }
  return 1.0;
}
