// Affine quantisation of groups of 32 weights: q = clamp(round((w - bias) / scale), 0, levels), w ≈ scale · q + bias.
//   scale = half((max - min) / levels), or 1 where that rounds to 0 (constant groups); bias = half(min), never -0.
//   q is taken against the rounded scale and bias, so that their rounding is not added to the error.
// One invocation per group. source: groups · 32 elements; weights: `bits` bits each, low bits first;
// scales: scale in the low half of a word, bias in the high half; report[reportIndex]: bit 0 for a weight that is
// not finite, bit 1 for a scale or bias beyond the range of a half (the group is then meaningless).
override bits: u32; // 4 or 8

struct Dims { firstSource: u32, firstGroup: u32, groups: u32, reportIndex: u32 }

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> source: array<u32>;
@group(0) @binding(2) var<storage, read_write> weights: array<u32>;
@group(0) @binding(3) var<storage, read_write> scales: array<u32>;
@group(0) @binding(4) var<storage, read_write> report: array<atomic<u32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) count: vec3u) {
  let index = id.y * count.x * 64u + id.x;
  if (index >= dims.groups) { return; }
  let first = dims.firstSource + index * 32u;

  var low = 3.0e38f;
  var high = -3.0e38f;
  var finite = true;
  for (var i = 0u; i < 32u; i++) {
    let word = sourceBitsAt(first + i);
    finite &= isFiniteBits(word);
    let weight = bitcast<f32>(select(0u, word, isFiniteBits(word)));
    low = min(low, weight);
    high = max(high, weight);
  }
  let levels = f32((1u << bits) - 1u);
  let biasHalf = select(0u, halfFromFloatBits(bitcast<u32>(low)), low != 0.0);
  let exactScale = halfFromFloatBits(bitcast<u32>((high - low) / levels));
  let scaleHalf = select(exactScale, 0x3c00u, exactScale == 0u);
  let inRange = (biasHalf & 0x7fffu) < 0x7c00u && (scaleHalf & 0x7fffu) < 0x7c00u;
  if (!finite) { atomicOr(&report[dims.reportIndex], 1u); }
  if (!inRange) { atomicOr(&report[dims.reportIndex], 2u); }
  if (!finite || !inRange) { return; }

  let group = dims.firstGroup + index;
  scales[group] = scaleHalf | (biasHalf << 16u);
  let scale = bitcast<f32>(floatBitsFromHalf(scaleHalf));
  let bias = bitcast<f32>(floatBitsFromHalf(biasHalf));
  for (var word = 0u; word < bits; word++) {
    var packed = 0u;
    for (var shift = 0u; shift < 32u; shift += bits) {
      let weight = bitcast<f32>(sourceBitsAt(first + (word * 32u + shift) / bits));
      packed |= u32(clamp(round((weight - bias) / scale), 0.0, levels)) << shift;
    }
    weights[group * bits + word] = packed;
  }
}
