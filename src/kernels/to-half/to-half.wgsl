// Conversion to half precision: out = half(source), to nearest, ties to even, two to a word, first in the low half.
// One invocation per word. report[reportIndex]: bit 0 for a value that is not finite, bit 1 for one beyond the
// range of a half.
struct Dims { firstSource: u32, firstWord: u32, words: u32, reportIndex: u32 }

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> source: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;
@group(0) @binding(3) var<storage, read_write> report: array<atomic<u32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) count: vec3u) {
  let index = id.y * count.x * 64u + id.x;
  if (index >= dims.words) { return; }
  let first = sourceBitsAt(dims.firstSource + 2u * index);
  let second = sourceBitsAt(dims.firstSource + 2u * index + 1u);
  let low = halfFromFloatBits(first);
  let high = halfFromFloatBits(second);
  if (!isFiniteBits(first) || !isFiniteBits(second)) {
    atomicOr(&report[dims.reportIndex], 1u);
  } else if ((low & 0x7fffu) == 0x7c00u || (high & 0x7fffu) == 0x7c00u) {
    atomicOr(&report[dims.reportIndex], 2u);
  }
  out[dims.firstWord + index] = low | (high << 16u);
}
