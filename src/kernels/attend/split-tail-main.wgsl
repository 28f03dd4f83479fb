// Splits first, then the blocks of every KV head: side by side, because a dispatch of its own would cost more than the sums.
@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32) {
  if (workgroup.x < dims.splits) {
    attendSplit(workgroup.x, workgroup.y, thread);
  } else if (workgroup.y < dims.kvHeads) {
    for (var word = thread; word < headDim / 2u; word += threads) {
      sumBlocks(workgroup.x - dims.splits, workgroup.y, word);
    }
  }
}

fn rowAt(word: u32) -> RowPair {
  let i = word % 4u;
  return RowPair(unpack2x16float(keyCache[word / 4u][i]), unpack2x16float(valueCache[word / 4u][i]));
}
