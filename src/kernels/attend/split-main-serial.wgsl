// An invocation to a split of four query heads of a list.
@compute @workgroup_size(4)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < dims.splits) {
    attendSplit(id.x, id.y);
  }
}
