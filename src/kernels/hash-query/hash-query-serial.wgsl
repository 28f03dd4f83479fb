// hash-query.wgsl by small workgroups: for adapters that run on the CPU.
@group(0) @binding(10) var<storage, read_write> mapped: array<vec4f>;

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32) {
  let isKey = workgroup.x >= dims.qHeads;
  let kind = select(ofQuery, ofKey, isKey);
  let heads = select(dims.qHeads, dims.signatureHeads, isKey);
  let head = select(workgroup.x, workgroup.x - dims.qHeads, isKey);
  // A write past the capacity would land in the next head's first tokens.
  if (isKey && step.position >= dims.capacity) { return; }

  for (var quad = thread; quad < (dims.headDim + 7u) / 8u * 2u; quad += threads) {
    activations[quad] = inputQuad(kind, head, quad);
  }
  let outputs = runMap(kind, heads, head, thread);
  if (!isKey) {
    if (thread < dims.bits / 4u) {
      mapped[head * (dims.bits / 4u) + thread] = activations[outputs + thread];
    }
  } else if (thread < dims.bits / 32u) {
    var signs = 0u;
    for (var quad = 0u; quad < 8u; quad++) {
      signs |= signBits(activations[outputs + 8u * thread + quad]) << (4u * quad);
    }
    signatures[(head * dims.capacity + step.position) * (dims.bits / 32u) + thread] = signs;
  }
}
