// Places F16 scales (slot 0) or biases (slot 1) into their halves of the pairs, leaving the other half as it is, so
// that the two may arrive in any order. One invocation per group. report[reportIndex]: bit 0 for a value that is not finite.
struct Dims { firstGroup: u32, groups: u32, slot: u32, firstSource: u32, reportIndex: u32 }

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> source: array<u32>;
@group(0) @binding(2) var<storage, read_write> pairs: array<u32>;
@group(0) @binding(3) var<storage, read_write> report: array<atomic<u32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) count: vec3u) {
  let index = id.y * count.x * 64u + id.x;
  if (index >= dims.groups) { return; }
  let element = dims.firstSource + index;
  let half = (source[element >> 1u] >> ((element & 1u) * 16u)) & 0xffffu;
  if ((half & 0x7c00u) == 0x7c00u) { atomicOr(&report[dims.reportIndex], 1u); }
  let shift = 16u * dims.slot;
  let group = dims.firstGroup + index;
  pairs[group] = (pairs[group] & ~(0xffffu << shift)) | (half << shift);
}
