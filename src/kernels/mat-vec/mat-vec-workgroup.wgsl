// Sums by trees in workgroup memory. Core WGSL: the baseline.
var<workgroup> rowSums: array<vec4f, threads>;
var<workgroup> squareSums: array<f32, threads>;

@compute @workgroup_size(threads)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let team = (group.y * groups.x + group.x) * (threads / lanes) + local / lanes;
  let lane = local % lanes;
  let share = accumulate(team, local);
  rowSums[local] = share.rows;
  squareSums[local] = share.squares;
  for (var stride = threads / 2u; stride > 0u; stride /= 2u) {
    workgroupBarrier();
    if (lane < stride && stride < lanes) {
      rowSums[local] += rowSums[local + stride];
    }
    if (hasNorm && local < stride) {
      squareSums[local] += squareSums[local + stride];
    }
  }
  workgroupBarrier();
  if (lane == 0u) {
    finish(team, rowSums[local], squareSums[0]);
  }
}
