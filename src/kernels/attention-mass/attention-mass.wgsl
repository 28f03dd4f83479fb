// The exact attention that each token gets from a list's query heads: mass[list, row, token] = Σ_heads 2^(score − scale).
// A workgroup takes eight rows (eight-rows.wgsl) and 64 tokens, the heads one after another.
// scales: f32 [rows, qHeads], of score-sums.wgsl; mass: f32 [lists, rows, capacity], zero beyond a row's own token up to
// the last of its eight rows, nothing after.
struct Dims {
  qHeads: u32,
  group: u32,
  headDim: u32,
  capacity: u32,
  scale: f32, // includes log2(e)
  rows: u32,
  listHeads: u32,
}
@group(0) @binding(4) var<storage, read> scales: array<f32>;
@group(0) @binding(5) var<storage, read_write> mass: array<f32>;

@compute @workgroup_size(lanes)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let firstRow = 8u * workgroup.y;
  let firstToken = lanes * workgroup.x;
  let list = workgroup.z;
  let end = step.position + min(firstRow + 8u, step.rows);
  if (firstRow >= step.rows || firstToken >= end) { return; }
  let token = min(firstToken + lane, end - 1u);
  var sum = Eight();
  for (var i = 0u; i < dims.listHeads; i++) {
    let head = list * dims.listHeads + i;
    workgroupBarrier();
    loadQueries(firstRow, head, lane);
    workgroupBarrier();
    let scores = scoresOf(head / dims.group * dims.capacity + token);
    sum.first += exp2(scores.first - scalesOf(firstRow, head));
    sum.second += exp2(scores.second - scalesOf(firstRow + 4u, head));
  }
  if (firstToken + lane >= end) { return; }
  store(list, firstRow, token, sum.first);
  store(list, firstRow + 4u, token, sum.second);
}

fn scalesOf(row: u32, head: u32) -> vec4f {
  let at = min(row + vec4u(0u, 1u, 2u, 3u), vec4u(step.rows - 1u)) * dims.qHeads + head;
  return vec4f(scales[at.x], scales[at.y], scales[at.z], scales[at.w]);
}

fn store(list: u32, row: u32, token: u32, sum: vec4f) {
  let shares = select(vec4f(), sum, isVisible(token, row));
  let at = (list * dims.rows + row) * dims.capacity + token;
  if (row < step.rows) { mass[at] = shares.x; }
  if (row + 1u < step.rows) { mass[at + dims.capacity] = shares.y; }
  if (row + 2u < step.rows) { mass[at + 2u * dims.capacity] = shares.z; }
  if (row + 3u < step.rows) { mass[at + 3u * dims.capacity] = shares.w; }
}
