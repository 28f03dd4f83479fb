// prefix-sum.wgsl with subgroups, each of consecutive invocations: teams as large as the smallest subgroup exchange sums,
// then teams meet in workgroup memory.
override subgroups: u32; // most that a workgroup may have, a power of two
override summedLanes = threads / subgroups; // of a team
override summedSteps = countOneBits(summedLanes - 1u);

var<workgroup> teamSums: array<u32, subgroups>;

struct Sums {
  through: u32, // of this invocation and those before it
  all: u32,     // of all
}

// All invocations must call it.
fn sumThrough(thread: u32, own: u32) -> Sums {
  let team = thread / summedLanes;
  var through = own;
  var ofTeam = own;
  for (var i = 0u; i < summedSteps; i++) {
    let other = subgroupShuffleXor(ofTeam, 1u << i);
    through += select(0u, other, ((thread >> i) & 1u) == 1u);
    ofTeam += other;
  }
  workgroupBarrier(); // until all have read what an earlier call left
  if (thread % summedLanes == 0u) {
    teamSums[team] = ofTeam;
  }
  workgroupBarrier();
  var all = 0u;
  for (var i = 0u; i < subgroups; i++) {
    let sum = teamSums[i];
    through += select(0u, sum, i < team);
    all += sum;
  }
  return Sums(through, all);
}
