// What exact softmax divides by: scales[row, head] = log2 Σ 2^score over all tokens up to the row's own. A workgroup takes
// eight rows of one query head (eight-rows.wgsl); each invocation walks every 64th token.
// scales: f32 [rows, qHeads].
struct Dims {
  qHeads: u32,
  group: u32,
  headDim: u32,
  capacity: u32,
  scale: f32, // includes log2(e)
}
@group(0) @binding(4) var<storage, read_write> scales: array<f32>;

// Finite stand-in for −∞; differences with any score stay finite too.
const lowest = -3.0e38;

var<workgroup> highest: array<Eight, lanes>;
var<workgroup> total: array<Eight, lanes>;

@compute @workgroup_size(lanes)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let firstRow = 8u * workgroup.x;
  let head = workgroup.y;
  if (firstRow >= step.rows) { return; }
  loadQueries(firstRow, head, lane);
  workgroupBarrier();

  let cacheStart = head / dims.group * dims.capacity;
  let end = step.position + min(firstRow + 8u, step.rows);
  var most = Eight(vec4f(lowest), vec4f(lowest));
  var sum = Eight();
  for (var token = lane; token < end; token += lanes) {
    let scores = scoresOf(cacheStart + token);
    let first = select(vec4f(lowest), scores.first, isVisible(token, firstRow));
    let second = select(vec4f(lowest), scores.second, isVisible(token, firstRow + 4u));
    let higher = Eight(max(most.first, first), max(most.second, second));
    sum.first = sum.first * exp2(most.first - higher.first) + exp2(first - higher.first);
    sum.second = sum.second * exp2(most.second - higher.second) + exp2(second - higher.second);
    most = higher;
  }
  highest[lane] = most;
  total[lane] = sum;
  workgroupBarrier();
  if (lane >= 8u || firstRow + lane >= step.rows) { return; }

  // A row to an invocation. Where a lane saw no token of the row, its highest is lowest and weighs nothing.
  let isFirst = lane < 4u;
  let own = vec4u(lane % 4u) == vec4u(0u, 1u, 2u, 3u);
  var top = lowest;
  for (var i = 0u; i < lanes; i++) {
    top = max(top, component(select(highest[i].second, highest[i].first, isFirst), own));
  }
  var all = 0.0;
  for (var i = 0u; i < lanes; i++) {
    let above = component(select(highest[i].second, highest[i].first, isFirst), own) - top;
    all += exp2(above) * component(select(total[i].second, total[i].first, isFirst), own);
  }
  scales[(firstRow + lane) * dims.qHeads + head] = top + log2(all);
}

fn component(vector: vec4f, own: vec4<bool>) -> f32 {
  return dot(select(vec4f(), vector, own), vec4f(1.0));
}
