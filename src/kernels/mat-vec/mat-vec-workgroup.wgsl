// The sum over a team's lanes by a tree in workgroup memory. Core WGSL: the baseline.
const workgroupSize = 128u;
const slots = 9u; // eight rows and the sum of squares

var<workgroup> partial: array<array<f32, workgroupSize>, slots>;

@compute @workgroup_size(workgroupSize)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let team = (group.y * groups.x + group.x) * (workgroupSize / lanes) + local / lanes;
  let lane = local % lanes;
  var sums = accumulate(team, lane);
  for (var slot = 0u; slot < rowsPerTeam; slot++) {
    partial[slot][local] = sums.rows[slot];
  }
  partial[8][local] = sums.squares;
  for (var stride = lanes / 2u; stride > 0u; stride /= 2u) {
    workgroupBarrier();
    if (lane < stride) {
      for (var slot = 0u; slot < rowsPerTeam; slot++) {
        partial[slot][local] += partial[slot][local + stride];
      }
      partial[8][local] += partial[8][local + stride];
    }
  }
  if (lane == 0u) {
    for (var slot = 0u; slot < rowsPerTeam; slot++) {
      sums.rows[slot] = partial[slot][local];
    }
    sums.squares = partial[8][local];
    for (var slot = 0u; slot < rowsPerTeam; slot++) {
      finish(team, slot, sums);
    }
  }
}
