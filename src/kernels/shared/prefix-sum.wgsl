// Running sums over the invocations of a workgroup of `threads`. Two copies, read and written in turn, take one barrier
// per step.
var<workgroup> threadSums: array<u32, 2u * threads>;

struct Sums {
  through: u32, // of this invocation and those before it
  all: u32,     // of all
}

// All invocations must call it.
fn sumThrough(thread: u32, own: u32) -> Sums {
  var sum = own;
  var copy = 0u;
  workgroupBarrier(); // until all have read what an earlier call left
  threadSums[thread] = sum;
  for (var reach = 1u; reach < threads; reach *= 2u) {
    workgroupBarrier();
    if (thread >= reach) {
      sum += threadSums[copy + thread - reach];
    }
    copy = threads - copy;
    threadSums[copy + thread] = sum;
  }
  workgroupBarrier();
  return Sums(sum, threadSums[copy + threads - 1u]);
}
