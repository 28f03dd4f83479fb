// out[i] = rows[positions[i] − step.position] for those positions that the chunk at step.position holds; the other rows
// of `out` stay as they are, for other chunks to fill.
// positions: u32 [count]; rows: f32 [step.rows, width]; out: f32 [count, width].
struct Dims { count: u32, width: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> positions: array<u32>;
@group(0) @binding(3) var<storage, read> rows: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 256u + lane;
  if (index >= dims.count * dims.width) { return; }
  let position = positions[index / dims.width];
  if (position < step.position || position >= step.position + step.rows) { return; }
  out[index] = rows[(position - step.position) * dims.width + index % dims.width];
}
