// Decode attention of one token, second half: out = Σ 2^(maxₛ − max) · sumsₛ / Σ 2^(maxₛ − max) · weightₛ over splits s.
// One workgroup per query head. An invocation takes four dimensions of every `slices`-th split, so that all reads of
// a head are in flight together; slices meet once in workgroup memory.
// partials: f32 [qHeads, splits, rowVectors + 1, 4] as attend-split.wgsl leaves them; out: f32 [qHeads, headDim].
struct Dims {
  splits: u32,
}
override headDim: u32;

const threads = 256u;
const noScore = -3.0e38;

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> partials: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

var<workgroup> sliceTop: array<f32, threads>;
var<workgroup> sliceWeight: array<f32, threads>;
var<workgroup> sliceSum: array<vec4f, threads>;

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32) {
  let head = workgroup.x;
  let rowVectors = (headDim + 3u) / 4u;
  let slices = threads / rowVectors;
  let vector = thread % rowVectors;

  var top = noScore;
  var weight = 0.0;
  var sum = vec4f(0.0);
  for (var split = thread / rowVectors; split < dims.splits; split += slices) {
    let row = (head * dims.splits + split) * (rowVectors + 1u);
    let part = partials[row + vector];
    let stats = partials[row + rowVectors];
    let highest = max(top, stats.x);
    let keep = exp2(top - highest);
    let gain = exp2(stats.x - highest);
    sum = sum * keep + part * gain;
    weight = weight * keep + stats.y * gain;
    top = highest;
  }
  sliceTop[thread] = top;
  sliceWeight[thread] = weight;
  sliceSum[thread] = sum;
  workgroupBarrier();

  if (thread >= rowVectors) {
    return;
  }
  for (var slice = 1u; slice < slices; slice++) {
    let other = slice * rowVectors + vector;
    let highest = max(top, sliceTop[other]);
    let keep = exp2(top - highest);
    let gain = exp2(sliceTop[other] - highest);
    sum = sum * keep + sliceSum[other] * gain;
    weight = weight * keep + sliceWeight[other] * gain;
    top = highest;
  }
  for (var i = 0u; i < 4u; i++) {
    if (4u * vector + i < headDim) {
      out[head * headDim + 4u * vector + i] = sum[i] / weight;
    }
  }
}
