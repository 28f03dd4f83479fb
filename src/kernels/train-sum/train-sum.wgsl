// out[outOffset + o · inner + i] = Σᵣ values[(o · terms + r) · inner + i], added in the same order every time.
// A workgroup makes 16 sums, 16 lanes each.
struct Dims { sums: u32, terms: u32, inner: u32, outOffset: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

const lanes = 16u;
var<workgroup> parts: array<f32, 256>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) invocation: u32,
) {
  let sum = (group.y * groups.x + group.x) * 16u + invocation % 16u;
  let lane = invocation / 16u;
  var part = 0.0;
  if (sum < dims.sums) {
    let first = sum / dims.inner * dims.terms * dims.inner + sum % dims.inner;
    for (var term = lane; term < dims.terms; term += lanes) { part += values[first + term * dims.inner]; }
  }
  parts[invocation] = part;
  workgroupBarrier();
  if (lane != 0u || sum >= dims.sums) { return; }
  for (var other = 1u; other < lanes; other++) { part += parts[other * 16u + invocation]; }
  out[dims.outOffset + sum] = part;
}
