// Turns the sums of blocks into those of all blocks before each, in place. An invocation takes one word (two dimensions) of
// the key or the value of one KV head.
// blockSums: f32 [kvHeads, blocks, 2, headDim], of 64 tokens, key then value.
struct Dims {
  blocks: u32,
  headDim: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read_write> blockSums: array<vec2f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let at = 64u * workgroup.y + lane;
  if (at >= dims.headDim) { return; }
  let begin = workgroup.x * dims.blocks * dims.headDim + at;
  let used = min((step.position + step.rows) / 64u + 1u, dims.blocks);
  // Four are read before any is used.
  var sum = vec2f();
  var block = 0u;
  for (; block + 4u <= used; block += 4u) {
    let first = begin + block * dims.headDim;
    let a = blockSums[first];
    let b = blockSums[first + dims.headDim];
    let c = blockSums[first + 2u * dims.headDim];
    let d = blockSums[first + 3u * dims.headDim];
    blockSums[first] = sum;
    blockSums[first + dims.headDim] = sum + a;
    blockSums[first + 2u * dims.headDim] = sum + a + b;
    blockSums[first + 3u * dims.headDim] = sum + a + b + c;
    sum = sum + a + b + c + d;
  }
  for (; block < used; block++) {
    let own = blockSums[begin + block * dims.headDim];
    blockSums[begin + block * dims.headDim] = sum;
    sum += own;
  }
}
