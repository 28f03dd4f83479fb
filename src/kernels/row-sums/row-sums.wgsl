// Keys and values added up over all tokens up to each row's own. An invocation takes one word (two dimensions) of the
// key or the value for 64 rows of one KV head, one after another, from the sum of the whole blocks before them.
// blocksBefore: f32 [kvHeads, blocks, 2, headDim], of 64 tokens each;
// sums: f32 [kvHeads, room, 2, headDim], key then value; row r ends with token step.position + r.
struct Dims {
  capacity: u32,
  blocks: u32,
  headDim: u32,
  room: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(4) var<storage, read> blocksBefore: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> sums: array<vec2f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let pairs = dims.headDim / 2u;
  let at = 64u * workgroup.z + lane;
  let firstRow = 64u * workgroup.x;
  if (at >= 2u * pairs || firstRow >= step.rows) { return; }
  let isValue = at >= pairs;
  let begin = workgroup.y * dims.capacity * pairs + at % pairs;
  let firstToken = step.position + firstRow;
  let block = firstToken / 64u;
  var sum = blocksBefore[(workgroup.y * dims.blocks + block) * 2u * pairs + at];
  for (var token = 64u * block; token < firstToken; token++) {
    sum += wordOf(isValue, begin + token * pairs);
  }
  let end = min(firstRow + 64u, step.rows);
  for (var row = firstRow; row < end; row++) {
    sum += wordOf(isValue, begin + (step.position + row) * pairs);
    sums[(workgroup.y * dims.room + row) * 2u * pairs + at] = sum;
  }
}
