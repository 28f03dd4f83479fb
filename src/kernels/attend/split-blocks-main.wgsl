// Splits first, then runs of block means of every KV head: side by side, as a dispatch of its own would cost more.
@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32) {
  if (workgroup.x < dims.splits) {
    attendSplit(workgroup.x, workgroup.y, thread);
  } else if (workgroup.y < dims.kvHeads) {
    attendBlocks(workgroup.x - dims.splits, workgroup.y, thread);
  }
}
