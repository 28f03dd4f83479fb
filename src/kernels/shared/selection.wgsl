// Which candidates of a list are selected, from how many of every chunk lie within each distance: all below a threshold
// distance, and of those at it (ties) the most recent that still fit, so the oldest are skipped. The place of a selected
// token in the list follows from how many are below and at the threshold before it:
//   place = below before it + max(ties before it, skipped) − skipped.
// The kernel declares `counted` (token-chunks.wgsl; a vec4u has eight distances or four counts) and dims: capacity,
// countsAt and chunks, a multiple of 4, at most 32.
const maxChunks = 32u;
const unitTokens = 16u; // looked at together
override fineQuads = fineBins / 4u;
override rowBins = fineBins + 1u; // of fineRows: one more than needed, for what lies before

struct Selection {
  threshold: u32,
  skippedTies: u32,
}

// Candidates of all chunks within the last bin of every run, and within every bin of the threshold's run.
var<workgroup> runTotals: array<atomic<u32>, runs>;
var<workgroup> fineTotals: array<atomic<u32>, fineBins>;
var<workgroup> fineRows: array<u32, maxChunks * rowBins>; // of every chunk: before the threshold's run, and within its bins
var<workgroup> chunkStarts: array<vec2u, maxChunks>; // candidates below and at the threshold in earlier chunks

// The selection of `goal` candidates, 1 ≤ goal ≤ candidates; fills chunkStarts. Once, by all invocations.
// The threshold is the least distance within which the list has `goal` candidates or more. Counts grow with the
// distance, so the run that holds it is searched for first, then its bin there.
fn selectionOf(list: u32, goal: u32, thread: u32) -> Selection {
  for (var i = thread; i < dims.chunks * (runs / 4u); i += 2u * threads) {
    let next = i + threads;
    let isNext = next < dims.chunks * (runs / 4u);
    let a = runQuad(list, i);
    var b = vec4u(0u);
    if (isNext) {
      b = runQuad(list, next);
    }
    addToRuns(i, a);
    if (isNext) {
      addToRuns(next, b);
    }
  }
  workgroupBarrier();
  let run = runOf(goal);
  for (var i = thread; i < dims.chunks * fineQuads; i += threads) {
    let chunk = i / fineQuads;
    let point = i % fineQuads * 4u;
    let within = counted[(countsOf(list, chunk) + runs + run * fineBins + point) / 4u];
    if (point == 0u && run > 0u) {
      let before = counted[(countsOf(list, chunk) + run - 1u) / 4u];
      fineRows[chunk * rowBins] = componentOf(before, (run - 1u) % 4u);
    }
    atomicAdd(&fineTotals[point], within.x);
    atomicAdd(&fineTotals[point + 1u], within.y);
    atomicAdd(&fineTotals[point + 2u], within.z);
    atomicAdd(&fineTotals[point + 3u], within.w);
    let at = chunk * rowBins + 1u + point;
    fineRows[at] = within.x;
    fineRows[at + 1u] = within.y;
    fineRows[at + 2u] = within.z;
    fineRows[at + 3u] = within.w;
  }
  workgroupBarrier();
  let bin = binOf(goal);
  let each = (maxChunks + threads - 1u) / threads;
  let first = min(thread * each, dims.chunks);
  let end = min(first + each, dims.chunks);
  var own = vec2u(0u);
  for (var chunk = first; chunk < end; chunk++) {
    own += belowAndAt(chunk, bin);
  }
  var start = vec2u(sumThrough(thread, own.x).through, sumThrough(thread, own.y).through) - own;
  for (var chunk = first; chunk < end; chunk++) {
    chunkStarts[chunk] = start;
    start += belowAndAt(chunk, bin);
  }
  workgroupBarrier();
  return Selection(run * fineBins + bin, atomicLoad(&fineTotals[bin]) - goal);
}

// Counts of four runs of a chunk.
fn runQuad(list: u32, i: u32) -> vec4u {
  return counted[countsOf(list, i / (runs / 4u)) / 4u + i % (runs / 4u)];
}

fn addToRuns(i: u32, within: vec4u) {
  let point = i % (runs / 4u) * 4u;
  atomicAdd(&runTotals[point], within.x);
  atomicAdd(&runTotals[point + 1u], within.y);
  atomicAdd(&runTotals[point + 2u], within.z);
  atomicAdd(&runTotals[point + 3u], within.w);
}

// The first run within which there are `goal` candidates.
fn runOf(goal: u32) -> u32 {
  var run = 0u;
  for (var step = runs / 2u; step > 0u; step /= 2u) {
    run += select(0u, step, atomicLoad(&runTotals[run + step - 1u]) < goal);
  }
  return run;
}

// The first bin of the run within which there are `goal` candidates.
fn binOf(goal: u32) -> u32 {
  var bin = 0u;
  for (var step = fineBins / 2u; step > 0u; step /= 2u) {
    bin += select(0u, step, atomicLoad(&fineTotals[bin + step - 1u]) < goal);
  }
  return bin;
}

// Candidates of a chunk below the threshold, and at it.
fn belowAndAt(chunk: u32, bin: u32) -> vec2u {
  let below = fineRows[chunk * rowBins + bin];
  return vec2u(below, fineRows[chunk * rowBins + bin + 1u] - below);
}

fn componentOf(quad: vec4u, i: u32) -> u32 {
  return select(select(quad.x, quad.y, i == 1u), select(quad.z, quad.w, i == 3u), i >= 2u);
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

// Tokens of a unit below the threshold and at it, the first in the lowest bit. Two distances to a word are compared at
// once: what is subtracted never borrows from the upper one, because distances have 15 bits.
fn marksOf(list: u32, unit: u32, threshold: u32) -> vec2u {
  let at = (list * groupsOf(dims.capacity) * (groupTokens / unitTokens) + unit) * 2u;
  let a = counted[at];
  let b = counted[at + 1u];
  let top = vec4u(0x80008000u);
  let limit = vec4u(threshold * 0x10001u);
  let belowA = ~((a | top) - limit) & top;
  let belowB = ~((b | top) - limit) & top;
  let withinA = ((limit | top) - a) & top;
  let withinB = ((limit | top) - b) & top;
  let below = gathered(belowA, belowB);
  return vec2u(below, gathered(withinA, withinB) & ~below);
}

// Bits 15 and 31 of eight words, the first word's lowest.
fn gathered(a: vec4u, b: vec4u) -> u32 {
  let quads = (a >> vec4u(15u, 13u, 11u, 9u)) | (b >> vec4u(7u, 5u, 3u, 1u));
  let bits = (quads.x | quads.y) | (quads.z | quads.w);
  return (bits | (bits >> 15u)) & 0xffffu;
}

// Marks of the selected tokens among `marks`. `before`: candidates below and at the threshold before them.
fn takenOf(marks: vec2u, before: vec2u, skippedTies: u32) -> u32 {
  var ties = marks.y;
  for (var tie = before.y; tie < skippedTies && ties != 0u; tie++) {
    ties &= ties - 1u;
  }
  return marks.x | ties;
}

// Sums of candidates below and at the threshold, 16 bits each, so that they are added together.
fn packed(counts: vec2u) -> u32 {
  return counts.x | (counts.y << 16u);
}

fn unpacked(counts: u32) -> vec2u {
  return vec2u(counts & 0xffffu, counts >> 16u);
}
