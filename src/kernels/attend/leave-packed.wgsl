// A head is also left packed for the next product (packed-vector.ts): its vectors are the first of sliceSum. headDim is
// a multiple of 8, so that no octet has a part in two heads.
fn leave(head: u32, heads: u32, thread: u32) {
  workgroupBarrier();
  let octets = headDim / 8u;
  if (thread >= octets) {
    return;
  }
  let ones = vec4f(1.0);
  leaveOctet(head * octets + thread, heads * octets / 4u, sliceSum[2u * thread], sliceSum[2u * thread + 1u], ones, ones);
}
