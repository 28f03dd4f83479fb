// prefix-sum.wgsl with subgroups, each of consecutive invocations: sums of whole subgroups meet in workgroup memory.
var<workgroup> subgroupSums: array<vec2u, threads>;

struct Sums {
  through: vec2u, // of this invocation and those before it
  all: vec2u,     // of all
}

// All invocations must call it.
fn sumThrough(thread: u32, own: vec2u) -> Sums {
  let size = subgroupAdd(1u);
  var through = vec2u(subgroupInclusiveAdd(own.x), subgroupInclusiveAdd(own.y));
  let whole = vec2u(subgroupAdd(own.x), subgroupAdd(own.y));
  workgroupBarrier(); // until all have read what an earlier call left
  if (subgroupElect()) {
    subgroupSums[thread / size] = whole;
  }
  workgroupBarrier();
  var all = vec2u(0u);
  for (var i = 0u; i < threads / size; i++) {
    let sum = subgroupSums[i];
    through += select(vec2u(0u), sum, i < thread / size);
    all += sum;
  }
  return Sums(through, all);
}
