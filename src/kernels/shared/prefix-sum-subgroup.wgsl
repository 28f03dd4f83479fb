// prefix-sum.wgsl with subgroups, each of consecutive invocations: sums of whole subgroups meet in workgroup memory.
override subgroups: u32; // most that a workgroup may have; the sums of those it has not are zero

var<workgroup> subgroupSums: array<u32, subgroups>;

struct Sums {
  through: u32, // of this invocation and those before it
  all: u32,     // of all
}

// All invocations must call it.
fn sumThrough(thread: u32, own: u32) -> Sums {
  let size = subgroupAdd(1u);
  var through = subgroupInclusiveAdd(own);
  workgroupBarrier(); // until all have read what an earlier call left
  if (thread % size == size - 1u) {
    subgroupSums[thread / size] = through;
  }
  workgroupBarrier();
  var all = 0u;
  for (var i = 0u; i < subgroups; i++) {
    let sum = subgroupSums[i];
    through += select(0u, sum, i < thread / size);
    all += sum;
  }
  return Sums(through, all);
}
