// Splits first, then runs of block means of every KV head, four of either to a workgroup.
@compute @workgroup_size(4)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let splitWorkgroups = (dims.splits + 3u) / 4u;
  if (workgroup.x < splitWorkgroups) {
    let split = 4u * workgroup.x + lane;
    if (split < dims.splits) {
      attendSplit(split, workgroup.y);
    }
  } else if (workgroup.y < dims.kvHeads) {
    let slot = 4u * (workgroup.x - splitWorkgroups) + lane;
    if (slot < dims.slots) {
      attendBlocks(slot, workgroup.y);
    }
  }
}
