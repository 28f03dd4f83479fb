// From the counts of all chunks: which candidates of one chunk are selected, and where they go in the list.
// Selected are all below a threshold distance, and of those at it (ties) the most recent that still fit.
// counts: u32 [lists, bins, chunks], see count-distances.wgsl.
@group(0) @binding(5) var<storage, read> counts: array<u32>;

struct Share {
  threshold: u32,
  skippedTies: u32, // the chunk's oldest ties, not selected
  place: u32,       // in the list, of the chunk's first selected token
}

const points = 32u;
const rounds = 3u; // enough for points^3 bins

var<workgroup> countWithin: array<atomic<u32>, rounds * points>;
var<workgroup> belowBefore: atomic<u32>; // below the threshold in earlier chunks
var<workgroup> belowInAll: atomic<u32>;
var<workgroup> tiesHere: atomic<u32>;
var<workgroup> tiesAfter: atomic<u32>;   // in later chunks

// The least distance within which the list has `goal` candidates or more, 1 ≤ goal ≤ candidates: counts grow with the
// distance, so a search that cuts the range in 32 parts at a time.
fn findThreshold(lane: u32, list: u32, goal: u32) -> u32 {
  let team = max(lanes / points, 1u);
  var stride = 1u;
  while (stride * points < bins) {
    stride *= points;
  }
  var low = 0u;
  for (var round = 0u; stride > 0u; round++) {
    for (var point = lane / team; point < points; point += lanes / team) {
      let bin = min(low + (point + 1u) * stride, bins) - 1u;
      let row = (list * bins + bin) * dims.chunks;
      var sum = 0u;
      for (var chunk = lane % team; chunk < dims.chunks; chunk += team) {
        sum += counts[row + chunk];
      }
      atomicAdd(&countWithin[round * points + point], sum);
    }
    workgroupBarrier();
    for (var point = 0u; point < points; point++) {
      low += select(0u, stride, atomicLoad(&countWithin[round * points + point]) < goal);
    }
    stride /= points;
  }
  return low;
}

// Uniform over the workgroup; all lanes must call it, once.
fn shareOf(lane: u32, list: u32, chunk: u32, goal: u32) -> Share {
  let threshold = findThreshold(lane, list, goal);
  let row = (list * bins + threshold) * dims.chunks;
  for (var other = lane; other < dims.chunks; other += lanes) {
    var below = 0u;
    if (threshold > 0u) {
      below = counts[row - dims.chunks + other];
    }
    let ties = counts[row + other] - below;
    atomicAdd(&belowInAll, below);
    if (other < chunk) {
      atomicAdd(&belowBefore, below);
    } else if (other == chunk) {
      atomicStore(&tiesHere, ties);
    } else {
      atomicAdd(&tiesAfter, ties);
    }
  }
  workgroupBarrier();
  let tiesWanted = goal - atomicLoad(&belowInAll);
  let takenAfter = min(tiesWanted, atomicLoad(&tiesAfter));
  let takenHere = min(tiesWanted - takenAfter, atomicLoad(&tiesHere));
  let takenBefore = tiesWanted - takenAfter - takenHere;
  return Share(threshold, atomicLoad(&tiesHere) - takenHere, atomicLoad(&belowBefore) + takenBefore);
}
