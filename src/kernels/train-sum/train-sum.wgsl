// out[outOffset + o · inner + i] = Σᵣ values[(o · terms + r) · inner + i], added in the same order every time.
// One invocation per sum, in four strands that do not wait for each other.
struct Dims { sums: u32, terms: u32, inner: u32, outOffset: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

const lanes = 64u;

@compute @workgroup_size(lanes)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let sum = (group.y * groups.x + group.x) * lanes + lane;
  if (sum >= dims.sums) { return; }
  let inner = dims.inner;
  var at = sum / inner * dims.terms * inner + sum % inner;
  var strands = vec4f();
  for (var quad = 0u; quad < dims.terms / 4u; quad++) {
    strands += vec4f(values[at], values[at + inner], values[at + 2u * inner], values[at + 3u * inner]);
    at += 4u * inner;
  }
  var rest = 0.0;
  for (var term = 0u; term < dims.terms % 4u; term++) { rest += values[at + term * inner]; }
  out[dims.outOffset + sum] = strands.x + strands.y + (strands.z + strands.w) + rest;
}
