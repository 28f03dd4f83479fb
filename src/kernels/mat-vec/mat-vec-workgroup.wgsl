// A workgroup is a team. The sum over its lanes by a tree in workgroup memory. Core WGSL: the baseline.
var<workgroup> partial: array<Sums, lanes>;

@compute @workgroup_size(lanes)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let team = group.y * groups.x + group.x;
  partial[lane] = accumulate(team, lane);
  for (var stride = lanes / 2u; stride > 0u; stride /= 2u) {
    workgroupBarrier();
    if (lane < stride) {
      partial[lane].rows += partial[lane + stride].rows;
      partial[lane].squares += partial[lane + stride].squares;
    }
  }
  if (lane == 0u) {
    finish(team, partial[0]);
  }
}
