// Splits first, four to a workgroup, then the blocks of every KV head.
@compute @workgroup_size(4)
fn main(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let splitWorkgroups = (dims.splits + 3u) / 4u;
  if (workgroup.x < splitWorkgroups) {
    if (id.x < dims.splits) {
      attendSplit(id.x, id.y);
      sumRows(id.x, id.y);
    }
  } else if (workgroup.y < dims.kvHeads) {
    for (var word = lane; word < headDim / 2u; word += 4u) {
      sumBlocks(workgroup.x - splitWorkgroups, workgroup.y, word);
    }
  }
}

fn rowAt(word: u32) -> RowPair {
  return RowPair(unpack2x16float(keyCache[word]), unpack2x16float(valueCache[word]));
}
