// Sums over the lanes of a team by shuffles. A team is a power of two of neighbouring invocations and no larger than
// the smallest subgroup, so it never straddles two.
fn teamSums(scores: ptr<function, array<f32, maxScores>>, thread: u32) {
  for (var slot = 0u; slot < batch * heads; slot++) {
    var sum = (*scores)[slot];
    for (var mask = 1u; mask < lanes; mask <<= 1u) {
      sum += subgroupShuffleXor(sum, mask);
    }
    (*scores)[slot] = sum;
  }
}
