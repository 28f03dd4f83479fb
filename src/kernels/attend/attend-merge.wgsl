// Decode attention of one token, second half, over splits s:
// out = Σ 2^(maxₛ − max) · sumsₛ / Σ 2^(maxₛ − max) · weightₛ.
// One workgroup per query head. An invocation takes four dimensions of every `slices`-th split and reads four splits
// before it uses any, so that most of a head is in flight at once; slices meet once in workgroup memory.
// partials: f32 [qHeads, splits, rowVectors + 1, 4] as attend-split.wgsl leaves them;
// out: f32 [qHeads, headDim], headDim a multiple of 4.
// Dims and startOf come from merge-start.wgsl, or from merge-tail.wgsl where one more token has been made; leave from
// leave-plain.wgsl or leave-packed.wgsl.
override headDim: u32;

const threads = 256u;
override slices = threads / (headDim / 4u);
const noScore = -3.0e38;

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> partials: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;

var<workgroup> sliceTop: array<f32, threads>;
var<workgroup> sliceWeight: array<f32, threads>;
var<workgroup> sliceSum: array<vec4f, threads>;

@compute @workgroup_size(threads)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) heads: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let head = workgroup.x;
  let rowVectors = headDim / 4u;
  let vector = thread % rowVectors;

  let start = startOf(head, vector, thread);
  var top = start.top;
  var weight = start.weight;
  var sum = start.sum;
  for (var first = thread / rowVectors; first < dims.splits; first += 4u * slices) {
    let split = first + slices * vec4u(0u, 1u, 2u, 3u);
    let isSplit = split < vec4u(dims.splits);
    let row = (head * dims.splits + min(split, vec4u(dims.splits - 1u))) * (rowVectors + 1u);
    let part0 = partials[row.x + vector];
    let part1 = partials[row.y + vector];
    let part2 = partials[row.z + vector];
    let part3 = partials[row.w + vector];
    let stats0 = partials[row.x + rowVectors];
    let stats1 = partials[row.y + rowVectors];
    let stats2 = partials[row.z + rowVectors];
    let stats3 = partials[row.w + rowVectors];
    let tops = select(vec4f(noScore), vec4f(stats0.x, stats1.x, stats2.x, stats3.x), isSplit);
    let highest = max(max(max(tops.x, tops.y), max(tops.z, tops.w)), top);
    let keep = exp2(top - highest);
    let gain = select(vec4f(0.0), exp2(tops - highest), isSplit);
    sum = sum * keep + part0 * gain.x + part1 * gain.y + part2 * gain.z + part3 * gain.w;
    weight = weight * keep + dot(gain, vec4f(stats0.y, stats1.y, stats2.y, stats3.y));
    top = highest;
  }
  sliceTop[thread] = top;
  sliceWeight[thread] = weight;
  sliceSum[thread] = sum;
  workgroupBarrier();

  if (thread < rowVectors) {
    var highest = top;
    for (var slice = 1u; slice < slices; slice++) {
      highest = max(highest, sliceTop[slice * rowVectors + thread]);
    }
    let keep = exp2(top - highest);
    sum *= keep;
    weight *= keep;
    for (var slice = 1u; slice < slices; slice++) {
      let other = slice * rowVectors + thread;
      let gain = exp2(sliceTop[other] - highest);
      sum += sliceSum[other] * gain;
      weight += sliceWeight[other] * gain;
    }
    sum /= weight;
    out[head * rowVectors + vector] = sum;
    sliceSum[thread] = sum;
  }
  leave(head, heads.x, thread);
}
