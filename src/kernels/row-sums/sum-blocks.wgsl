// Keys and values added up over blocks of 64 tokens, up to the last token of the chunk. An invocation takes one word
// (two dimensions) of the key or the value of one block of one KV head.
// blockSums: f32 [kvHeads, blocks, 2, headDim], key then value.
struct Dims {
  capacity: u32,
  blocks: u32,
  headDim: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(4) var<storage, read_write> blockSums: array<vec2f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let pairs = dims.headDim / 2u;
  let at = 64u * workgroup.z + lane;
  let first = 64u * workgroup.x;
  let length = step.position + step.rows;
  if (at >= 2u * pairs || first >= length) { return; }
  let begin = (workgroup.y * dims.capacity + first) * pairs + at % pairs;
  let tokens = min(64u, length - first);
  var sum = vec2f();
  for (var token = 0u; token < tokens; token++) {
    sum += wordOf(at >= pairs, begin + token * pairs);
  }
  blockSums[(workgroup.y * dims.blocks + workgroup.x) * 2u * pairs + at] = sum;
}
