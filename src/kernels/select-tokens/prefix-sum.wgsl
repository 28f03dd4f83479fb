// Running sums over the lanes of a workgroup.
var<workgroup> laneSums: array<vec2u, lanes>;

// Σ of `own` over this lane and those before it; all lanes must call it. Afterwards laneSums[lanes - 1] is the total,
// until the next call.
fn sumThrough(lane: u32, own: vec2u) -> vec2u {
  var sum = own;
  workgroupBarrier();
  laneSums[lane] = sum;
  for (var reach = 1u; reach < lanes; reach *= 2u) {
    workgroupBarrier();
    if (lane >= reach) {
      sum += laneSums[lane - reach];
    }
    workgroupBarrier();
    laneSums[lane] = sum;
  }
  workgroupBarrier();
  return sum;
}
