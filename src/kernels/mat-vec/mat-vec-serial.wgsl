// An invocation is a team (lanes = 1), no barriers: for adapters that run on the CPU.
const workgroupSize = 16u;

@compute @workgroup_size(workgroupSize)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let team = (group.y * groups.x + group.x) * workgroupSize + local;
  let rows = rowsOf(team);
  var sums = vec4f(0.0);
  var squares = 0.0;
  for (var block = 0u; block < dims.blocks; block++) {
    let at = 8u * block;
    var inputs = Inputs(x[at], x[at + 1u], x[at + 2u], x[at + 3u], x[at + 4u], x[at + 5u], x[at + 6u], x[at + 7u]);
    if (hasNorm) {
      squares += ((dot(inputs.v0, inputs.v0) + dot(inputs.v1, inputs.v1))
        + (dot(inputs.v2, inputs.v2) + dot(inputs.v3, inputs.v3)))
        + ((dot(inputs.v4, inputs.v4) + dot(inputs.v5, inputs.v5))
        + (dot(inputs.v6, inputs.v6) + dot(inputs.v7, inputs.v7)));
      inputs = Inputs(
        inputs.v0 * gain[at], inputs.v1 * gain[at + 1u], inputs.v2 * gain[at + 2u], inputs.v3 * gain[at + 3u],
        inputs.v4 * gain[at + 4u], inputs.v5 * gain[at + 5u], inputs.v6 * gain[at + 6u], inputs.v7 * gain[at + 7u],
      );
    }
    sums += dotRows(loadRows(rows, block), inputs);
  }
  finish(team, sums, squares);
}
