// out[row, i] = silu(projected[row, i]) · projected[row, ffn + i],  silu(g) = g / (1 + exp(−g))     (Shazeer 2020)
// projected: f32 [rows, 2 · ffn], gate then up; out: f32 [rows, ffn]. One invocation per output.
struct Dims { outputs: u32, ffn: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> projected: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

const lanes = 256u;

@compute @workgroup_size(lanes)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * lanes + lane;
  if (index >= dims.outputs) { return; }
  let gateIndex = index + (index / dims.ffn) * dims.ffn;
  let gate = projected[gateIndex];
  let up = projected[gateIndex + dims.ffn];
  // exp(80) is finite in f32; below −80 silu is under 2e-33 in size.
  out[index] = gate / (1.0 + exp(min(-gate, 80.0))) * up;
}
