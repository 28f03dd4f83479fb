// Running sums over the lanes of a workgroup. Two copies, read and written in turn, take one barrier per step.
var<workgroup> laneSums: array<vec2u, 2u * lanes>;

struct Sums {
  through: vec2u, // of this lane and those before it
  all: vec2u,     // of all lanes
}

// All lanes must call it.
fn sumThrough(lane: u32, own: vec2u) -> Sums {
  var sum = own;
  var copy = 0u;
  workgroupBarrier(); // until all have read what an earlier call left
  laneSums[lane] = sum;
  for (var reach = 1u; reach < lanes; reach *= 2u) {
    workgroupBarrier();
    if (lane >= reach) {
      sum += laneSums[copy + lane - reach];
    }
    copy = lanes - copy;
    laneSums[copy + lane] = sum;
  }
  workgroupBarrier();
  return Sums(sum, laneSums[copy + lanes - 1u]);
}
