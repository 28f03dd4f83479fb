// First half of selecting tokens, a workgroup per chunk of a list's candidates: their distances, and how many lie within
// each: token-chunks.wgsl.
struct Dims {
  capacity: u32,
  chunks: u32,
  countsAt: u32,
  listsPerHead: u32,
  summed: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<uniform> budget: Budget;
@group(0) @binding(5) var<storage, read_write> counted: array<u32>;

override bins = runs * fineBins;
override binsEach = max(bins / threads, 1u); // bins an invocation adds up

var<workgroup> histogram: array<atomic<u32>, bins + 1u>; // the last for what is no candidate

fn countOne(distance: u32) {
  atomicAdd(&histogram[min(distance, bins)], 1u);
}

fn countQuad(attended: AttendedSet, list: u32, head: u32, quad: u32, signature: Quad) {
  let distance = distancesOf(attended, head, quad, signature);
  let at = (list * groupsOf(dims.capacity) * 8u + quad) * 2u;
  counted[at] = distance.x | (distance.y << 16u);
  counted[at + 1u] = distance.z | (distance.w << 16u);
  countOne(distance.x);
  countOne(distance.y);
  countOne(distance.z);
  countOne(distance.w);
}

struct FourQuads {
  a: Quad,
  b: Quad,
  c: Quad,
  d: Quad,
}

// Four quads are read before any is used: bytes in flight.
fn readQuads(head: u32, quad: u32, end: u32) -> FourQuads {
  let at = min(quad + threads * vec4u(0u, 1u, 2u, 3u), vec4u(min(end, dims.capacity / 4u) - 1u));
  return FourQuads(quadAt(head, at.x), quadAt(head, at.y), quadAt(head, at.z), quadAt(head, at.w));
}

// Workgroups: chunks, lists of a head, heads or sets of planes that have their own.
@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32) {
  let attended = attendedSetOf(budget, step.position + 1u);
  if (attended.selected == 0u) {
    return;
  }
  let list = workgroup.z * dims.listsPerHead + workgroup.y;
  let head = workgroup.z * headsPerList;
  let chunk = chunkAt(attended, dims.chunks, workgroup.x);
  let end = 8u * chunk.end;
  var first = 8u * chunk.begin;
  var quads = readQuads(head, first + thread, max(end, 1u));
  makePlanes(list, thread);
  while (first < end) {
    let next = first + 4u * threads;
    // The quads move up by name: code that is there four times costs more than moving them.
    for (var quad = first + thread; quad < min(next, end); quad += threads) {
      countQuad(attended, list, head, quad, quads.a);
      quads = FourQuads(quads.b, quads.c, quads.d, quads.d);
    }
    first = next;
    quads = readQuads(head, first + thread, end);
  }
  workgroupBarrier();

  let firstBin = thread * binsEach;
  var own = 0u;
  if (firstBin < bins) {
    for (var i = 0u; i < binsEach; i++) {
      own += atomicLoad(&histogram[firstBin + i]);
    }
  }
  var within = sumThrough(thread, own).through - own;
  let counts = countsOf(list, workgroup.x);
  if (firstBin < bins) {
    for (var i = 0u; i < binsEach; i++) {
      let bin = firstBin + i;
      within += atomicLoad(&histogram[bin]);
      counted[counts + runs + bin] = within;
      if ((bin + 1u) % fineBins == 0u) {
        counted[counts + bin / fineBins] = within;
      }
    }
  }
}
