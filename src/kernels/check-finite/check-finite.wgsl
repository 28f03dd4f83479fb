// Looks for values that are not finite: words whose bits contain all of `lowMask` or all of `highMask`.
// f32: both masks the exponent; f16 and bf16: the exponent of the low and of the high half.
// One invocation per word. report[reportIndex]: bit 0 once one is found.
struct Dims { firstWord: u32, words: u32, lowMask: u32, highMask: u32, reportIndex: u32 }

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> values: array<u32>;
@group(0) @binding(2) var<storage, read_write> report: array<atomic<u32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) count: vec3u) {
  let index = id.y * count.x * 64u + id.x;
  if (index >= dims.words) { return; }
  let word = values[dims.firstWord + index];
  if ((word & dims.lowMask) == dims.lowMask || (word & dims.highMask) == dims.highMask) {
    atomicOr(&report[dims.reportIndex], 1u);
  }
}
