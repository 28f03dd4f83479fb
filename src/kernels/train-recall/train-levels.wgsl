// The odd integers a query is quantised to, row by row: w = clamp(2 · floor(s / scale) + 1, ±(2^b − 1)),
// scale: query-levels.wgsl. values, out: f32 [rows, bits]. One invocation per row.
struct Dims { rows: u32, bits: u32, queryBits: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= dims.rows) { return; }
  let start = id.x * dims.bits;
  var largest = 0.0;
  for (var bit = 0u; bit < dims.bits; bit++) { largest = max(largest, abs(values[start + bit])); }
  let levels = f32(1u << dims.queryBits);
  let scale = levelScale(largest, dims.queryBits);
  for (var bit = 0u; bit < dims.bits; bit++) {
    let level = 2.0 * floor(values[start + bit] / scale) + 1.0;
    out[start + bit] = clamp(level, 1.0 - levels, levels - 1.0);
  }
}
