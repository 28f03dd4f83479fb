// A workgroup is a team. Sums over its lanes: within subgroups by subgroupAdd, then over the subgroups through workgroup
// memory. Invocations of a one-dimensional workgroup fill its subgroups in order; four is the smallest subgroup.
var<workgroup> partial: array<Sums, (lanes + 3u) / 4u>;

@compute @workgroup_size(lanes)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_invocation_id) inSubgroup: u32,
  @builtin(subgroup_size) subgroupSize: u32,
) {
  let team = group.y * groups.x + group.x;
  var sums = accumulate(team, lane);
  sums.rows = subgroupAdd(sums.rows);
  if (hasNorm) {
    sums.squares = subgroupAdd(sums.squares);
  }
  if (inSubgroup == 0u) {
    partial[lane / subgroupSize] = sums;
  }
  workgroupBarrier();
  if (lane == 0u) {
    for (var other = 1u; other < (lanes + subgroupSize - 1u) / subgroupSize; other++) {
      sums.rows += partial[other].rows;
      sums.squares += partial[other].squares;
    }
    finish(team, sums);
  }
}
