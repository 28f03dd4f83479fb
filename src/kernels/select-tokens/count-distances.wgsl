// First half of selecting tokens, a workgroup per chunk of a list's candidates: how many lie within each distance.
// counts: u32 [lists, bins, chunks]: candidates of a chunk at a distance of `bin` or less.
struct Dims {
  capacity: u32,
  chunks: u32,
  listsPerHead: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(5) var<storage, read_write> counts: array<u32>;

var<workgroup> histogram: array<atomic<u32>, bins>;

fn countOne(distance: u32) {
  if (distance < bins) {
    atomicAdd(&histogram[distance], 1u);
  }
}

fn countFour(distance: vec4u) {
  countOne(distance.x);
  countOne(distance.y);
  countOne(distance.z);
  countOne(distance.w);
}

@compute @workgroup_size(lanes)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let attended = attendedSetOf(budget, step.position + 1u);
  if (attended.selected == 0u) {
    return;
  }
  let list = workgroup.y;
  let chunk = chunkAt(attended, workgroup.x);
  // Four quads are read before any is counted: bytes in flight.
  for (var quad = chunk.begin + lane; quad < chunk.end; quad += 4u * lanes) {
    let first = distancesAt(attended, list, quad, chunk.end);
    let second = distancesAt(attended, list, quad + lanes, chunk.end);
    let third = distancesAt(attended, list, quad + 2u * lanes, chunk.end);
    let fourth = distancesAt(attended, list, quad + 3u * lanes, chunk.end);
    countFour(first);
    countFour(second);
    countFour(third);
    countFour(fourth);
  }
  workgroupBarrier();

  let run = (bins + lanes - 1u) / lanes;
  let first = min(lane * run, bins);
  let end = min(first + run, bins);
  var own = 0u;
  for (var bin = first; bin < end; bin++) {
    own += atomicLoad(&histogram[bin]);
  }
  var count = sumThrough(lane, vec2u(own, 0u)).through.x - own;
  for (var bin = first; bin < end; bin++) {
    count += atomicLoad(&histogram[bin]);
    counts[(list * bins + bin) * dims.chunks + workgroup.x] = count;
  }
}
