// Running sums over the 256 lanes, and the first lane at which one of them reaches a goal.
var<workgroup> running: array<vec2f, 256>;
var<workgroup> firstLane: atomic<u32>;
var<workgroup> lastLane: atomic<u32>;
var<workgroup> reached: u32;

// Leaves in `running` the sums up to and including each lane.
fn sumLanes(lane: u32, own: vec2f) {
  var sum = own;
  workgroupBarrier(); // an earlier use may still be read
  running[lane] = sum;
  for (var reach = 1u; reach < 256u; reach *= 2u) {
    workgroupBarrier();
    if (lane >= reach) {
      sum += running[lane - reach];
    }
    workgroupBarrier();
    running[lane] = sum;
  }
  workgroupBarrier();
}

// Sum over the lanes before this one.
fn sumBefore(lane: u32) -> vec2f {
  if (lane == 0u) {
    return vec2f(0.0);
  }
  return running[lane - 1u];
}

// After sumLanes(lane, own): the first lane with own[component] > 0 whose running sum is ≥ goal; where rounding leaves
// the total short of it, the last lane with own[component] > 0.
fn firstReaching(lane: u32, own: vec2f, component: u32, goal: f32) -> u32 {
  if (lane == 0u) {
    atomicStore(&firstLane, 256u);
    atomicStore(&lastLane, 0u);
  }
  workgroupBarrier();
  if (own[component] > 0.0) {
    atomicMax(&lastLane, lane);
    if (running[lane][component] >= goal) {
      atomicMin(&firstLane, lane);
    }
  }
  workgroupBarrier();
  if (lane == 0u) {
    let first = atomicLoad(&firstLane);
    reached = select(first, atomicLoad(&lastLane), first == 256u);
  }
  return workgroupUniformLoad(&reached);
}
