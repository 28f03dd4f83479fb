// An invocation is a team (lanes = 1), no barriers: for adapters that run on the CPU. There a load costs ten multiplications
// whatever the lanes read: of a block's inputs an invocation reads a quarter and hands it to its quad.
const workgroupSize = 16u;

@compute @workgroup_size(workgroupSize)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let team = (group.y * groups.x + group.x) * workgroupSize + local;
  let rows = rowsOf(team);
  let place = placeInQuad(local);
  var sums = vec4f(0.0);
  var squares = 0.0; // of the inputs read here
  for (var block = 0u; block < dims.blocks; block++) {
    let at = 8u * block + place;
    var low = x[at];
    var high = x[at + 4u];
    if (hasNorm) {
      squares += dot(low, low) + dot(high, high);
      low *= gain[at];
      high *= gain[at + 4u];
    }
    let inputs = Inputs(
      quadBroadcast(low, 0u), quadBroadcast(low, 1u), quadBroadcast(low, 2u), quadBroadcast(low, 3u),
      quadBroadcast(high, 0u), quadBroadcast(high, 1u), quadBroadcast(high, 2u), quadBroadcast(high, 3u),
    );
    sums += dotRows(loadRows(rows, block), inputs);
  }
  squares = (quadBroadcast(squares, 0u) + quadBroadcast(squares, 1u))
    + (quadBroadcast(squares, 2u) + quadBroadcast(squares, 3u));
  finish(team, sums, squares);
}
