// Choosing among 512 weighted items in workgroup memory: the first at which the running sum reaches a goal.
// A lane owns a run of consecutive items: the lanes' sums find the owner, which then walks its run.
const itemCount = 512u;

var<workgroup> items: array<vec2f, itemCount>; // (count, weight)
var<workgroup> running: array<vec2f, lanes>;   // sums of the items of all lanes up to and including this one
var<workgroup> firstLane: atomic<u32>;
var<workgroup> lastLane: atomic<u32>;

struct Picked {
  item: u32,
  before: vec2f, // count and weight of the items before it
  inside: vec2f, // its own
}

var<workgroup> picked: Picked;

// Call once the lanes have written `items`; returns the sum of this lane's run and leaves `running` for all to read.
fn sumItems(lane: u32) -> vec2f {
  workgroupBarrier();
  let run = itemCount / lanes;
  var own = vec2f(0.0);
  for (var item = lane * run; item < (lane + 1u) * run; item++) {
    own += items[item];
  }
  var sum = own;
  running[lane] = sum;
  for (var reach = 1u; reach < lanes; reach *= 2u) {
    workgroupBarrier();
    if (lane >= reach) {
      sum += running[lane - reach];
    }
    workgroupBarrier();
    running[lane] = sum;
  }
  if (lane == 0u) {
    atomicStore(&firstLane, lanes);
    atomicStore(&lastLane, 0u);
  }
  workgroupBarrier();
  return own;
}

// The first item with item[component] > 0 at which the running sum of that component is ≥ goal; the last item with
// item[component] > 0 where rounding leaves the total short; an empty one where there is none. Call after sumItems, with what it returned.
fn pick(lane: u32, own: vec2f, component: u32, goal: f32) -> Picked {
  if (own[component] > 0.0) {
    atomicMax(&lastLane, lane);
    if (running[lane][component] >= goal) {
      atomicMin(&firstLane, lane);
    }
  }
  workgroupBarrier();
  let first = atomicLoad(&firstLane);
  if (lane == select(first, atomicLoad(&lastLane), first == lanes)) {
    let run = itemCount / lanes;
    var before = vec2f(0.0);
    if (lane > 0u) {
      before = running[lane - 1u];
    }
    picked = Picked(lane * run, before, vec2f(0.0));
    for (var item = lane * run; item < (lane + 1u) * run; item++) {
      let inside = items[item];
      if (inside[component] > 0.0) {
        picked = Picked(item, before, inside);
        if (before[component] + inside[component] >= goal) {
          break;
        }
      }
      before += inside;
    }
  }
  return workgroupUniformLoad(&picked);
}
