// Sums over the lanes of a team by shuffles. A team is a power of two of neighbouring invocations and no larger than
// the smallest subgroup, so it never straddles two.
fn teamSums(score: mat4x4f, thread: u32) -> mat4x4f {
  var sum = score;
  for (var mask = 1u; mask < lanes; mask *= 2u) {
    sum += mat4x4f(
      subgroupShuffleXor(sum[0], mask),
      subgroupShuffleXor(sum[1], mask),
      subgroupShuffleXor(sum[2], mask),
      subgroupShuffleXor(sum[3], mask),
    );
  }
  return sum;
}
