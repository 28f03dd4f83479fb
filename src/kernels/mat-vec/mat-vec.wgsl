// out = finish(W · n(x) + bias), one token. n(x) = x, or with a norm x · gain / sqrt(mean(x²) + eps): the factor
// is the same for every column, so it is applied after the sum and costs no pass of its own.
// finish: store; add to what `out` holds (the residual); or, for a gate row and an up row, silu(gate) · up.
//
// A team of `lanes` invocations works on up to four rows, the components of a vec4f: nothing is indexed at run time,
// so everything stays in registers. A lane takes every `lanes`-th octet of columns: neighbouring lanes read
// neighbouring words, and each input is used for all rows of the team.
// This file holds what every variant shares; the variant adds `main` and the sum over a team's lanes.
// x: f32 [columns, padded with zeros to 8 · octets]; gain: f32 likewise; bias: f32 [rows of the whole matrix].
struct Dims {
  rows: u32,      // rows of W in this part
  octets: u32,    // row stride / 8
  columns: u32,   // inputs, for the mean
  firstOut: u32,  // index in out (and bias) of the first row
  upBias: u32,    // gated: index in bias of the first up row
  eps: f32,
}
override lanes: u32;
override rowsPerTeam: u32; // 1, 2 or 4; even when gated
override hasNorm: bool;
override hasBias: bool;
override finishKind: u32; // 0 store, 1 add, 2 gated

const isGated = 2u;

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(3) var<storage, read> x: array<vec4f>;
@group(0) @binding(4) var<storage, read> gain: array<vec4f>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;

struct Sums {
  rows: vec4f,
  squares: f32,
}

// Rows of W that a team works on; past the end, the last one. Gated: gate rows first, then the up rows of the same
// outputs, half a matrix further down.
fn rowsOf(team: u32) -> vec4u {
  var rows = vec4u(0u, 1u, 2u, 3u) + team * rowsPerTeam;
  if (finishKind == isGated) {
    let up = dims.rows / 2u;
    let output = team * (rowsPerTeam / 2u);
    rows = vec4u(output, output + up, 0u, 0u);
    if (rowsPerTeam == 4u) {
      rows = vec4u(output, output + 1u, output + up, output + 1u + up);
    }
  }
  return min(rows, vec4u(dims.rows - 1u));
}

// A lane's share of a team's sums.
fn accumulate(team: u32, lane: u32) -> Sums {
  let rows = rowsOf(team);
  var sums: Sums;
  for (var octet = lane; octet < dims.octets; octet += lanes) {
    let w0 = loadOctet(rows.x, octet, dims.octets);
    var w1: PackedOctet;
    var w2: PackedOctet;
    var w3: PackedOctet;
    if (rowsPerTeam > 1u) {
      w1 = loadOctet(rows.y, octet, dims.octets);
    }
    if (rowsPerTeam > 2u) {
      w2 = loadOctet(rows.z, octet, dims.octets);
      w3 = loadOctet(rows.w, octet, dims.octets);
    }
    var a = x[2u * octet];
    var b = x[2u * octet + 1u];
    if (hasNorm) {
      sums.squares += dot(a, a) + dot(b, b);
      a *= gain[2u * octet];
      b *= gain[2u * octet + 1u];
    }
    let sum = dot(a + b, vec4f(1.0));
    sums.rows.x += dotOctet(w0, a, b, sum);
    if (rowsPerTeam > 1u) {
      sums.rows.y += dotOctet(w1, a, b, sum);
    }
    if (rowsPerTeam > 2u) {
      sums.rows.z += dotOctet(w2, a, b, sum);
      sums.rows.w += dotOctet(w3, a, b, sum);
    }
  }
  return sums;
}

fn silu(value: f32) -> f32 {
  return value / (1.0 + exp(min(-value, 80.0)));
}

fn writeGated(output: u32, gateSum: f32, upSum: f32) {
  if (output >= dims.rows / 2u) {
    return;
  }
  var gate = gateSum;
  var up = upSum;
  if (hasBias) {
    gate += bias[dims.firstOut + output];
    up += bias[dims.upBias + output];
  }
  out[dims.firstOut + output] = silu(gate) * up;
}

fn writeRow(row: u32, sum: f32) {
  if (row >= dims.rows) {
    return;
  }
  var value = sum;
  if (hasBias) {
    value += bias[dims.firstOut + row];
  }
  if (finishKind == 1u) {
    value += out[dims.firstOut + row];
  }
  out[dims.firstOut + row] = value;
}

// Writes a team's outputs from its complete sums.
fn finish(team: u32, sums: Sums) {
  var rows = sums.rows;
  if (hasNorm) {
    rows *= inverseSqrt(sums.squares / f32(dims.columns) + dims.eps);
  }
  if (finishKind == isGated) {
    if (rowsPerTeam == 2u) {
      writeGated(team, rows.x, rows.y);
    } else {
      writeGated(2u * team, rows.x, rows.z);
      writeGated(2u * team + 1u, rows.y, rows.w);
    }
    return;
  }
  let first = team * rowsPerTeam;
  writeRow(first, rows.x);
  if (rowsPerTeam > 1u) {
    writeRow(first + 1u, rows.y);
  }
  if (rowsPerTeam > 2u) {
    writeRow(first + 2u, rows.z);
    writeRow(first + 3u, rows.w);
  }
}
