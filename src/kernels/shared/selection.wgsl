// Which candidates of a list are selected, from how many of every chunk lie within each distance: all below a threshold
// distance, and of those at it (ties) the most recent that still fit, so the oldest are skipped. The place of a selected
// token in the list follows from how many are below and at the threshold before it:
//   place = below before it + max(ties before it, skipped) − skipped.
// The kernel declares `counted` (token-chunks.wgsl; a vec4u has eight distances or the counts of four chunks) and dims:
// capacity, countsAt, chunks (a multiple of 4) and bins.
override radix: u32; // radix² ≥ bins

const maxChunks = 32u;
const maxRadix = 32u;

struct Selection {
  threshold: u32,
  skippedTies: u32,
}

var<workgroup> countWithin: array<atomic<u32>, 2u * maxRadix>;
var<workgroup> pointsBelow: array<atomic<u32>, 2>;
var<workgroup> lastRows: array<vec4u, (radix + 1u) * maxChunks / 4u>; // counts of the bins around the threshold
var<workgroup> chunkStarts: array<vec2u, maxChunks>; // candidates below and at the threshold in earlier chunks

// The selection of `goal` candidates, 1 ≤ goal ≤ candidates; fills chunkStarts. Once, by all invocations.
fn selectionOf(list: u32, goal: u32, thread: u32) -> Selection {
  let found = findThreshold(list, goal, thread);
  let run = (dims.chunks + threads - 1u) / threads;
  let first = min(thread * run, dims.chunks);
  let end = min(first + run, dims.chunks);
  var own = vec2u(0u);
  for (var chunk = first; chunk < end; chunk++) {
    own += belowAndAt(found.row, chunk);
  }
  let sums = sumThrough(thread, own);
  var before = sums.through - own;
  for (var chunk = first; chunk < end; chunk++) {
    chunkStarts[chunk] = before;
    before += belowAndAt(found.row, chunk);
  }
  workgroupBarrier();
  return Selection(found.threshold, sums.all.x + sums.all.y - goal);
}

struct Threshold {
  threshold: u32,
  row: u32, // of lastRows; the one before it holds what lies below
}

// The least distance within which the list has `goal` candidates or more: counts grow with the distance, so a search
// that cuts the range in `radix` parts, twice. The second time the counts stay in lastRows, from the bin before on.
fn findThreshold(list: u32, goal: u32, thread: u32) -> Threshold {
  let rowQuads = dims.chunks / 4u;
  let firstRow = dims.countsAt / 4u + list * dims.bins * rowQuads;
  for (var i = thread; i < radix * rowQuads; i += threads) {
    let bin = min((i / rowQuads + 1u) * radix, dims.bins) - 1u;
    let within = counted[firstRow + bin * rowQuads + i % rowQuads];
    atomicAdd(&countWithin[i / rowQuads], sumOf(within));
  }
  let low = radix * pointsBelowGoal(0u, goal, thread);
  for (var i = thread; i < (radix + 1u) * rowQuads; i += threads) {
    let bin = low + i / rowQuads;
    var within = vec4u(0u);
    if (bin > 0u) {
      within = counted[firstRow + min(bin - 1u, dims.bins - 1u) * rowQuads + i % rowQuads];
    }
    lastRows[i] = within;
    if (i >= rowQuads) {
      atomicAdd(&countWithin[maxRadix + i / rowQuads - 1u], sumOf(within));
    }
  }
  let row = pointsBelowGoal(1u, goal, thread);
  return Threshold(low + row, row + 1u);
}

fn sumOf(counts: vec4u) -> u32 {
  return (counts.x + counts.y) + (counts.z + counts.w);
}

// How many of a round's points have fewer than `goal` candidates within them.
fn pointsBelowGoal(round: u32, goal: u32, thread: u32) -> u32 {
  workgroupBarrier();
  for (var point = thread; point < radix; point += threads) {
    if (atomicLoad(&countWithin[round * maxRadix + point]) < goal) {
      atomicAdd(&pointsBelow[round], 1u);
    }
  }
  workgroupBarrier();
  return atomicLoad(&pointsBelow[round]);
}

// Candidates of a chunk below the threshold, and at it.
fn belowAndAt(row: u32, chunk: u32) -> vec2u {
  let rowQuads = dims.chunks / 4u;
  let below = lastRows[(row - 1u) * rowQuads + chunk / 4u][chunk % 4u];
  return vec2u(below, lastRows[row * rowQuads + chunk / 4u][chunk % 4u] - below);
}

// Place in the list of a token with so many candidates below and at the threshold before it.
fn placeAfter(before: vec2u, skippedTies: u32) -> u32 {
  return before.x + max(before.y, skippedTies) - skippedTies;
}

// Where a chunk's selected tokens begin in the list; the length of the list for the chunk after the last.
fn placeOf(chunk: u32, goal: u32, skippedTies: u32) -> u32 {
  if (chunk >= dims.chunks) {
    return goal;
  }
  return placeAfter(chunkStarts[chunk], skippedTies);
}

// Tokens of a group below the threshold and at it, the first in the lowest bit.
fn marksOf(list: u32, group: u32, threshold: u32) -> vec2u {
  let at = (list * groupsOf(dims.capacity) + group) * 4u;
  let a = counted[at];
  let b = counted[at + 1u];
  let c = counted[at + 2u];
  let d = counted[at + 3u];
  return eightMarks(a, threshold) | (eightMarks(b, threshold) << vec2u(8u))
    | (eightMarks(c, threshold) << vec2u(16u)) | (eightMarks(d, threshold) << vec2u(24u));
}

fn eightMarks(pairs: vec4u, threshold: u32) -> vec2u {
  let even = pairs & vec4u(0xffffu);
  let odd = pairs >> vec4u(16u);
  let limit = vec4u(threshold);
  let below = bitsOf(even < limit) | (bitsOf(odd < limit) << 1u);
  let at = bitsOf(even == limit) | (bitsOf(odd == limit) << 1u);
  return vec2u(below, at);
}

// Every second bit from the lowest.
fn bitsOf(isSet: vec4<bool>) -> u32 {
  let values = select(vec4u(0u), vec4u(1u, 4u, 16u, 64u), isSet);
  return (values.x | values.y) | (values.z | values.w);
}

// Marks of a group's selected tokens. `before`: candidates below and at the threshold before the group.
fn takenOf(marks: vec2u, before: vec2u, skippedTies: u32) -> u32 {
  var ties = marks.y;
  for (var tie = before.y; tie < skippedTies && ties != 0u; tie++) {
    ties &= ties - 1u;
  }
  return marks.x | ties;
}
