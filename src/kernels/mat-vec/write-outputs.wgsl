// What a product writes of one or two complete sums. bias: f32 [rows of the whole matrix].
const isAdded = 1u;
const isGated = 2u;

@group(0) @binding(4) var<storage, read> bias: array<f32>;

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
