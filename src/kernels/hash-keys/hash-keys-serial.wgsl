// One token of one head by a small workgroup: for adapters that run on the CPU.
@compute @workgroup_size(threads)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = group.y * groups.x + group.x;
  let token = step.position + row;
  if (row >= step.rows || token >= dims.capacity) { return; }
  let head = group.z;
  for (var quad = thread; quad < (dims.headDim + 7u) / 8u * 2u; quad += threads) {
    activations[quad] = vec4f(keyPair(head, token, 2u * quad), keyPair(head, token, 2u * quad + 1u));
  }
  let begin = runMap(ofKey, dims.signatureHeads, head, thread);
  let words = dims.bits / 32u;
  if (thread < words) {
    var signs = 0u;
    for (var quad = 0u; quad < 8u; quad++) {
      signs |= signBits(activations[begin + 8u * thread + quad]) << (4u * quad);
    }
    signatures[(head * dims.capacity + token) * words + thread] = signs;
  }
}
