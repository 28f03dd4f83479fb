// Sums by shuffles among `together` invocations, the smallest subgroup or a team, whichever is smaller (both powers of
// two; invocations of a one-dimensional workgroup fill subgroups in order), then through workgroup memory.
override together: u32;

var<workgroup> partial: array<Share, threads / together>;

@compute @workgroup_size(threads)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let team = (group.y * groups.x + group.x) * (threads / lanes) + local / lanes;
  var share = accumulate(team, local);
  for (var mask = 1u; mask < together; mask *= 2u) {
    share.rows += subgroupShuffleXor(share.rows, mask);
    if (hasNorm) {
      share.squares += subgroupShuffleXor(share.squares, mask);
    }
  }
  if (local % together == 0u) {
    partial[local / together] = share;
  }
  workgroupBarrier();
  if (local % lanes == 0u) {
    var sums = vec4f(0.0);
    for (var part = local / together; part < (local + lanes) / together; part++) {
      sums += partial[part].rows;
    }
    var squares = 0.0;
    if (hasNorm) {
      for (var part = 0u; part < threads / together; part++) {
        squares += partial[part].squares;
      }
    }
    finish(team, sums, squares);
  }
}
