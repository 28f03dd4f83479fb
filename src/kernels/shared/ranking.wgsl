// Ranks of numbers within a workgroup, by counting.
var<workgroup> rankCount: atomic<u32>;

// Integers in the order of the numbers they stand for.
fn rankKey(value: f32) -> u32 {
  let bits = bitcast<u32>(value);
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}

// The sum of every invocation's count; all must take part.
fn countTogether(lane: u32, count: u32) -> u32 {
  if (lane == 0u) { atomicStore(&rankCount, 0u); }
  workgroupBarrier();
  atomicAdd(&rankCount, count);
  workgroupBarrier();
  let sum = atomicLoad(&rankCount);
  workgroupBarrier();
  return sum;
}
