// out[row] = W[tokens[row]], dequantised: one invocation per element, one dispatch per part of W.
// A part writes only the rows whose token it holds; the first part also writes zeros for every other token, so that
// an id beyond the vocabulary gives zeros and never reads out of bounds.
// tokens: u32 [rows]; out: f32 [rows, hidden]; weightAt comes from the file of the format.
struct Dims {
  rows: u32,
  hidden: u32,
  rowStride: u32,    // columns a row of W takes in memory
  groupsPerRow: u32, // quantised formats
  groupSize: u32,    // quantised formats
  firstRow: u32,     // of this part
  partRows: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(3) var<storage, read> tokens: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x;
  let row = id.y;
  if (column >= dims.hidden || row >= dims.rows) {
    return;
  }
  let partRow = tokens[row] - dims.firstRow; // wraps to a large number when the token lies before the part
  if (partRow < dims.partRows) {
    out[row * dims.hidden + column] = weightAt(partRow, column);
  } else if (dims.firstRow == 0u) {
    out[row * dims.hidden + column] = 0.0;
  }
}
