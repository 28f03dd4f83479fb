// The sum over a team's lanes by shuffles: a team never leaves its subgroup (lanes ≤ the adapter's smallest subgroup,
// both powers of two; invocations of a one-dimensional workgroup fill subgroups in order).
const workgroupSize = 128u;

@compute @workgroup_size(workgroupSize)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let team = (group.y * groups.x + group.x) * (workgroupSize / lanes) + local / lanes;
  let lane = local % lanes;
  var sums = accumulate(team, lane);
  for (var mask = lanes / 2u; mask > 0u; mask /= 2u) {
    for (var slot = 0u; slot < rowsPerTeam; slot++) {
      sums.rows[slot] += subgroupShuffleXor(sums.rows[slot], mask);
    }
    if (hasNorm) {
      sums.squares += subgroupShuffleXor(sums.squares, mask);
    }
  }
  if (lane == 0u) {
    for (var slot = 0u; slot < rowsPerTeam; slot++) {
      finish(team, slot, sums);
    }
  }
}
