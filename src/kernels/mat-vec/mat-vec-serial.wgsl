// One invocation per team, no barriers (lanes = 1): for adapters that run on the CPU.
const workgroupSize = 16u;

@compute @workgroup_size(workgroupSize)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let team = (group.y * groups.x + group.x) * workgroupSize + local;
  let sums = accumulate(team, 0u);
  for (var slot = 0u; slot < rowsPerTeam; slot++) {
    finish(team, slot, sums);
  }
}
