// What both losses share: a row's candidates and its sums.
struct Dims {
  rows: u32,
  tokens: u32,
  sink: u32,
  window: u32,
  firstResult: u32, // index of this dispatch's first row among all
  allRows: u32,
  scaleIndex: u32, // of t among the parameters
  share: f32,      // weight of a row in the loss
}
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> positions: array<u32>;
@group(0) @binding(2) var<storage, read> targets: array<f32>;
@group(0) @binding(3) var<storage, read> parameters: array<f32>;
@group(0) @binding(4) var<storage, read_write> scores: array<f32>;
@group(0) @binding(5) var<storage, read_write> results: array<f32>; // [2, allRows]: loss, slope by t

override threads: u32; // a power of two
var<workgroup> parts: array<vec4f, threads>;

fn totalOf(lane: u32, value: vec4f) -> vec4f {
  parts[lane] = value;
  for (var width = threads / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (lane < width) { parts[lane] += parts[lane + width]; }
  }
  workgroupBarrier();
  let total = parts[0];
  workgroupBarrier();
  return total;
}

// Candidates are [sink, end).
fn candidateEnd(row: u32) -> u32 {
  return max(dims.sink, max(positions[row] + 1u, dims.window) - dims.window);
}

fn putResult(list: u32, row: u32, loss: f32, slope: f32) {
  let at = dims.firstResult + list * dims.rows + row;
  results[at] = loss;
  results[dims.allRows + at] = slope;
}
