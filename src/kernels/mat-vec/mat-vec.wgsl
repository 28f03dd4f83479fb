// out = finish(W · n(x) + bias), one token. n(x) = x, or with a norm x · gain / sqrt(mean(x²) + eps): the factor
// is the same for every column, so it is applied after the sum and costs no pass of its own.
// finish: store; add to what `out` holds (the residual); or, for a gate row and an up row, silu(gate) · up.
//
// A team of `lanes` invocations works on up to four rows, the components of a vec4f: nothing is indexed at run time,
// so everything stays in registers. A lane takes every `lanes`-th block of 32 columns and uses its inputs for all rows
// of the team. This file holds what every variant shares: which rows, their products with a block, what to write.
// bias: f32 [rows of the whole matrix]. What a product does beside its sums, uniforms tell: the products of a layer then
// share a pipeline, and their code stays in the instruction cache.
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
  finish: u32,    // 0 store, 1 add, 2 gated
  pairs: u32,     // in integers: of teams, in a workgroup
  packs: u32,     // outputs are also left packed: 0 no, 1 as they are, 2 times a gain
  readers: u32,   // workgroups of read-ahead.wgsl; what follows is theirs
  aheadHeads: u32,
  aheadHeadWords: u32,
  aheadRowWords: u32,
}
override lanes: u32;
override rowsPerTeam: u32; // 1, 2 or 4; even when gated

const isAdded = 1u;
const isGated = 2u;

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

// Rows of W that a team works on; past the end, the last one. Gated: gate rows first, then the up rows of the same
// outputs, half a matrix further down.
fn rowsOf(team: u32) -> vec4u {
  var rows = vec4u(0u, 1u, 2u, 3u) + team * rowsPerTeam;
  if (dims.finish == isGated) {
    let up = dims.rows / 2u;
    let output = team * (rowsPerTeam / 2u);
    rows = vec4u(output, output + up, 0u, 0u);
    if (rowsPerTeam == 4u) {
      rows = vec4u(output, output + 1u, output + up, output + 1u + up);
    }
  }
  return min(rows, vec4u(dims.rows - 1u));
}

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

fn silu(value: f32) -> f32 {
  return value / (1.0 + exp(min(-value, 80.0)));
}

// Writes one output and returns it.
fn writeGated(output: u32, gateSum: f32, upSum: f32) -> f32 {
  if (output >= dims.rows / 2u) {
    return 0.0;
  }
  var gate = gateSum;
  var up = upSum;
  if (dims.biased != 0u) {
    gate += bias[dims.firstOut + output];
    up += bias[dims.upBias + output];
  }
  let value = silu(gate) * up;
  out[dims.firstOut + output] = value;
  return value;
}

fn writeRow(row: u32, sum: f32) -> f32 {
  if (row >= dims.rows) {
    return 0.0;
  }
  var value = sum;
  if (dims.biased != 0u) {
    value += bias[dims.firstOut + row];
  }
  if (dims.finish == isAdded) {
    value += out[dims.firstOut + row];
  }
  out[dims.firstOut + row] = value;
  return value;
}

// What a norm multiplies sums by; squares: Σ x².
fn factorOf(squares: f32) -> f32 {
  if (dims.normed != 0u) {
    return inverseSqrt(squares / f32(dims.columns) + dims.eps);
  }
  return 1.0;
}

// Writes a team's outputs from its complete sums.
fn finish(team: u32, sums: vec4f, squares: f32) {
  let rows = sums * factorOf(squares);
  if (dims.finish == isGated) {
    if (rowsPerTeam == 2u) {
      _ = writeGated(team, rows.x, rows.y);
    } else {
      _ = writeGated(2u * team, rows.x, rows.z);
      _ = writeGated(2u * team + 1u, rows.y, rows.w);
    }
    return;
  }
  let first = team * rowsPerTeam;
  _ = writeRow(first, rows.x);
  if (rowsPerTeam > 1u) {
    _ = writeRow(first + 1u, rows.y);
  }
  if (rowsPerTeam > 2u) {
    _ = writeRow(first + 2u, rows.z);
    _ = writeRow(first + 3u, rows.w);
  }
}
