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

var<workgroup> histogram: array<atomic<u32>, runs * fineBins>;

fn countOne(distance: u32) {
  if (distance != noDistance) {
    atomicAdd(&histogram[distance], 1u);
  }
}

fn countQuad(attended: AttendedSet, list: u32, quad: u32, end: u32, signature: Quad) {
  if (quad >= end) {
    return;
  }
  let distance = distancesOf(attended, list, quad, signature);
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
fn readQuads(list: u32, quad: u32, end: u32) -> FourQuads {
  let head = headOf(list);
  let at = min(quad + threads * vec4u(0u, 1u, 2u, 3u), vec4u(min(end, dims.capacity / 4u) - 1u));
  return FourQuads(quadAt(head, at.x), quadAt(head, at.y), quadAt(head, at.z), quadAt(head, at.w));
}

fn countQuads(attended: AttendedSet, list: u32, quad: u32, end: u32, signature: FourQuads) {
  countQuad(attended, list, quad, end, signature.a);
  countQuad(attended, list, quad + threads, end, signature.b);
  countQuad(attended, list, quad + 2u * threads, end, signature.c);
  countQuad(attended, list, quad + 3u * threads, end, signature.d);
}

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32) {
  let attended = attendedSetOf(budget, step.position + 1u);
  if (attended.selected == 0u) {
    return;
  }
  let list = workgroup.y;
  let chunk = chunkAt(attended, dims.chunks, workgroup.x);
  let end = 8u * chunk.end;
  var quad = 8u * chunk.begin + thread;
  var near = readQuads(list, quad, max(end, 1u));
  makePlanes(list, thread);
  // Two sets take turns by name, because copying one would wait for it.
  while (quad < end) {
    let far = readQuads(list, quad + 4u * threads, end);
    countQuads(attended, list, quad, end, near);
    quad += 4u * threads;
    near = readQuads(list, quad + 4u * threads, end);
    countQuads(attended, list, quad, end, far);
    quad += 4u * threads;
  }
  workgroupBarrier();

  let bins = runs * fineBins;
  let each = (bins + threads - 1u) / threads;
  let first = min(thread * each, bins);
  let last = min(first + each, bins);
  var own = 0u;
  for (var bin = first; bin < last; bin++) {
    own += atomicLoad(&histogram[bin]);
  }
  var within = sumThrough(thread, own).through - own;
  let counts = countsOf(list, workgroup.x);
  for (var bin = first; bin < last; bin++) {
    within += atomicLoad(&histogram[bin]);
    counted[counts + runs + bin] = within;
    if ((bin + 1u) % fineBins == 0u) {
      counted[counts + bin / fineBins] = within;
    }
  }
}
