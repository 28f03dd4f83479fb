// out[head, token, d] = keys[head, token, d] as f32, of the first `tokens` of each head.
// keys: packed f16 [kvHeads, capacity, headDim]. One invocation per pair.
struct Dims { pairs: u32, pairsPerHead: u32, pairStride: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<vec2f>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 256u + lane;
  if (index >= dims.pairs) { return; }
  let head = index / dims.pairsPerHead;
  out[index] = unpack2x16float(keys[head * dims.pairStride + index % dims.pairsPerHead]);
}
