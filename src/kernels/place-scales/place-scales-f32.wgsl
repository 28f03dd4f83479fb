// Places scales (slot 0) or biases (slot 1) of any float type into their words of the f32 pairs.
// One invocation per group. report[reportIndex]: bit 0 for a value that is not finite.
struct Dims { firstGroup: u32, groups: u32, slot: u32, firstSource: u32, reportIndex: u32 }

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> source: array<u32>;
@group(0) @binding(2) var<storage, read_write> pairs: array<u32>;
@group(0) @binding(3) var<storage, read_write> report: array<atomic<u32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) count: vec3u) {
  let index = id.y * count.x * 64u + id.x;
  if (index >= dims.groups) { return; }
  let bits = sourceBitsAt(dims.firstSource + index);
  if ((bits & 0x7f800000u) == 0x7f800000u) { atomicOr(&report[dims.reportIndex], 1u); }
  pairs[2u * (dims.firstGroup + index) + dims.slot] = bits;
}
