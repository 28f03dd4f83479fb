// A workgroup to a split of four query heads of a list.
@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32) {
  attendSplit(workgroup.x, workgroup.y, thread);
}
