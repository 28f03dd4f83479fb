// Adds to a row's attention the tokens it did not attend to, as one: their mean key and value, weight log(count).
// An invocation takes one row of one query head. scales: f32 [maskRows, qHeads], log2 of what its softmax divided by.
// query, out: f32 [rows, qHeads, headDim]; sums: f32 [lists, maskRows, 2, headDim], those of row r at r · parts.
struct Dims {
  maskRows: u32,
  headsPerList: u32,
  qHeads: u32,
  headDim: u32,
  parts: u32,
  scale: f32, // includes log2(e): powers of two are taken instead of e
}
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<uniform> budget: Budget;
@group(0) @binding(3) var<storage, read> query: array<f32>;
@group(0) @binding(4) var<storage, read> sums: array<f32>;
@group(0) @binding(5) var<storage, read> scales: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x;
  let head = id.y;
  if (row >= step.rows) { return; }
  let n = step.position + row + 1u;
  let others = n - attendedSetOf(budget, n).count;
  if (others == 0u) { return; }
  let count = f32(others);
  let begin = (row * dims.qHeads + head) * dims.headDim;
  let source = ((head / dims.headsPerList) * dims.maskRows + row * dims.parts) * 2u * dims.headDim;
  var score = 0.0;
  for (var d = 0u; d < dims.headDim; d++) {
    score += query[begin + d] * (sums[source + d] / count);
  }
  score = score * dims.scale + log2(count);
  let attended = scales[row * dims.qHeads + head];
  let highest = max(score, attended);
  let ofAttended = exp2(attended - highest);
  let ofOthers = exp2(score - highest);
  let total = ofAttended + ofOthers;
  for (var d = 0u; d < dims.headDim; d++) {
    let mean = sums[source + dims.headDim + d] / count;
    out[begin + d] = (ofAttended * out[begin + d] + ofOthers * mean) / total;
  }
}
