// A unit or a key by a small workgroup, map after map: for adapters that run on the CPU.
@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32) {
  let isKey = workgroup.x >= dims.units;
  let kind = select(ofQuery, ofKey, isKey);
  let heads = select(dims.qHeads, dims.signatureHeads, isKey);
  let maps = select(dims.summed, 1u, isKey);
  let firstHead = select(workgroup.x * dims.summed, workgroup.x - dims.units, isKey);
  // A write past the capacity would land in the next head's first tokens.
  if (isKey && step.position >= dims.capacity) { return; }

  var sum = vec4f(0.0);
  for (var map = 0u; map < maps; map++) {
    for (var quad = thread; quad < (dims.headDim + 7u) / 8u * 2u; quad += threads) {
      activations[quad] = inputQuad(kind, firstHead + map, quad);
    }
    let begin = runMap(kind, heads, firstHead + map, thread);
    sum += activations[begin + thread];
    workgroupBarrier();
  }
  sums[thread] = sum;
  workgroupBarrier();
  if (isKey) {
    writeSignature(firstHead, thread);
  } else {
    writePlanes(workgroup.x, thread);
  }
}
