// An invocation is a team (lanes = 1), no barriers: for adapters that run on the CPU.
const workgroupSize = 16u;

@compute @workgroup_size(workgroupSize)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let team = (group.y * groups.x + group.x) * workgroupSize + local;
  finish(team, accumulate(team, 0u));
}
