// out = finish(W · n(x) + bias), one token. n(x) = x, or with a norm x · gain / sqrt(mean(x²) + eps): the factor
// is the same for every column, so it is applied after the sum and costs no pass of its own.
// finish: store; add to what `out` holds (the residual); or, for a gate row and an up row, silu(gate) · up.
//
// A team of `lanes` invocations works on `rowsPerTeam` rows; a lane takes every `lanes`-th octet of columns, so that
// neighbouring lanes read neighbouring words and each input is used for all rows of the team.
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
override rowsPerTeam: u32; // 1, 2, 4 or 8; even when gated
override hasNorm: bool;
override hasBias: bool;
override finishKind: u32; // 0 store, 1 add, 2 gated

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(3) var<storage, read> x: array<vec4f>;
@group(0) @binding(4) var<storage, read> gain: array<vec4f>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;

struct Sums {
  rows: array<f32, 8>,
  squares: f32,
}

// Row of W that slot `slot` of a team works on. Gated: the first half of the slots are gate rows, the second half
// the up rows of the same outputs. May lie beyond the last row.
fn rowOf(team: u32, slot: u32) -> u32 {
  if (finishKind == 2u) {
    let pairs = rowsPerTeam / 2u;
    let output = team * pairs + slot % pairs;
    return output + select(0u, dims.rows / 2u, slot >= pairs);
  }
  return team * rowsPerTeam + slot;
}

// A lane's share of the sums of a team.
fn accumulate(team: u32, lane: u32) -> Sums {
  var sums: Sums;
  for (var octet = lane; octet < dims.octets; octet += lanes) {
    var a = x[2u * octet];
    var b = x[2u * octet + 1u];
    if (hasNorm) {
      sums.squares += dot(a, a) + dot(b, b);
      a *= gain[2u * octet];
      b *= gain[2u * octet + 1u];
    }
    let sum = dot(a + b, vec4f(1.0));
    for (var slot = 0u; slot < rowsPerTeam; slot++) {
      let row = min(rowOf(team, slot), dims.rows - 1u);
      sums.rows[slot] += octetDot(row, octet, dims.octets, a, b, sum);
    }
  }
  return sums;
}

fn silu(value: f32) -> f32 {
  return value / (1.0 + exp(min(-value, 80.0)));
}

// Writes one output of a team from the complete sums: output `slot` of rowsPerTeam (gated: of rowsPerTeam / 2).
fn finish(team: u32, slot: u32, sums: Sums) {
  var factor = 1.0;
  if (hasNorm) {
    factor = inverseSqrt(sums.squares / f32(dims.columns) + dims.eps);
  }
  if (finishKind == 2u) {
    let pairs = rowsPerTeam / 2u;
    let output = team * pairs + slot;
    if (slot >= pairs || output >= dims.rows / 2u) {
      return;
    }
    var gate = sums.rows[slot] * factor;
    var up = sums.rows[slot + pairs] * factor;
    if (hasBias) {
      gate += bias[dims.firstOut + output];
      up += bias[dims.upBias + output];
    }
    out[dims.firstOut + output] = silu(gate) * up;
    return;
  }
  let row = team * rowsPerTeam + slot;
  if (slot >= rowsPerTeam || row >= dims.rows) {
    return;
  }
  var value = sums.rows[slot] * factor;
  if (hasBias) {
    value += bias[dims.firstOut + row];
  }
  if (finishKind == 1u) {
    value += out[dims.firstOut + row];
  }
  out[dims.firstOut + row] = value;
}
