// The attended set of sparse attention, its list found on the way: the first tokens, the selected ones, and the last, all
// in ascending order. A workgroup finds those selected tokens that fall to its split, a round of them at a time: the
// threshold from the counts of all chunks, then the chunks that hold them, group by group. See shared/selection.wgsl.
struct Dims {
  capacity: u32,
  splits: u32,
  kvHeads: u32,
  countsAt: u32,
  chunks: u32,
  bins: u32,
  slots: u32,  // of the tail, see block-runs.wgsl; 0 without one
  blocks: u32, // of the tail's sums; 0 without one
}

@group(0) @binding(6) var<uniform> budget: Budget;
@group(0) @binding(7) var<storage, read> counted: array<vec4u>;

const roundTokens = 384u;

struct ChunkRange {
  first: u32,
  last: u32,
}

var<workgroup> selection: Selection;
var<workgroup> roundChunks: ChunkRange;
var<workgroup> roundStart: u32;
var<workgroup> found: array<u32, roundTokens>; // by place in the round

fn tokenCount() -> u32 {
  return attendedSetOf(budget, step.position + 1u).count;
}

// Places in the list of the attended tokens [first, end).
fn placesOf(attended: AttendedSet, first: u32, end: u32) -> vec2u {
  let last = attended.sinkEnd + attended.selected;
  return clamp(vec2u(first, end), vec2u(attended.sinkEnd), vec2u(last)) - attended.sinkEnd;
}

// A round of the attended tokens [first, end); returns where it ends.
fn findTokens(list: u32, first: u32, end: u32, isFirst: bool, thread: u32) -> u32 {
  let roundEnd = min(first + roundTokens, end);
  let attended = attendedSetOf(budget, step.position + 1u);
  if (isFirst) {
    let all = placesOf(attended, first, end);
    if (all.x < all.y) {
      let chosen = selectionOf(list, attended.selected, thread);
      if (thread == 0u) {
        selection = chosen;
      }
    }
  }
  let places = placesOf(attended, first, roundEnd);
  workgroupBarrier(); // until all have used what the round before found
  if (thread == 0u) {
    roundStart = first;
  }
  if (places.x >= places.y) {
    workgroupBarrier();
    return roundEnd;
  }
  let goal = attended.selected;
  let chosen = selection;
  for (var chunk = thread; chunk < dims.chunks; chunk += threads) {
    let begin = placeOf(chunk, goal, chosen.skippedTies);
    let after = placeOf(chunk + 1u, goal, chosen.skippedTies);
    if (begin <= places.x && places.x < after) {
      roundChunks.first = chunk;
    }
    if (begin < places.y && places.y <= after) {
      roundChunks.last = chunk;
    }
  }
  let chunks = workgroupUniformLoad(&roundChunks);
  let begin = chunkAt(attended, dims.chunks, chunks.first).begin;
  let endGroup = chunkAt(attended, dims.chunks, chunks.last).end;
  // Two tiles of groups at a time; their sums, below 65536, are packed to go through the workgroup together.
  var seen = chunkStarts[chunks.first];
  for (var tile = begin; tile < endGroup; tile += 2u * threads) {
    let group = tile + thread + vec2u(0u, threads);
    let near = marksBefore(list, group.x, endGroup, chosen.threshold);
    let far = marksBefore(list, group.y, endGroup, chosen.threshold);
    let nearCount = countOneBits(near);
    let farCount = countOneBits(far);
    let sums = sumThrough(thread, vec2u(packed(nearCount), packed(farCount)));
    let nearBefore = seen + unpacked(sums.through.x) - nearCount;
    seen += unpacked(sums.all.x);
    let farBefore = seen + unpacked(sums.through.y) - farCount;
    seen += unpacked(sums.all.y);
    keep(attended, first, places, group.x, near, nearBefore);
    keep(attended, first, places, group.y, far, farBefore);
  }
  workgroupBarrier();
  return roundEnd;
}

fn packed(counts: vec2u) -> u32 {
  return counts.x | (counts.y << 16u);
}

fn unpacked(counts: u32) -> vec2u {
  return vec2u(counts & 0xffffu, counts >> 16u);
}

fn marksBefore(list: u32, group: u32, end: u32, threshold: u32) -> vec2u {
  if (group >= end) {
    return vec2u(0u);
  }
  return marksOf(list, group, threshold);
}

// Takes down the group's selected tokens whose places are in the round.
fn keep(attended: AttendedSet, first: u32, places: vec2u, group: u32, marks: vec2u, before: vec2u) {
  let skippedTies = selection.skippedTies;
  var taken = takenOf(marks, before, skippedTies);
  var place = placeAfter(before, skippedTies);
  while (taken != 0u) {
    if (place >= places.x && place < places.y) {
      found[attended.sinkEnd + place - first] = groupTokens * group + firstTrailingBit(taken);
    }
    taken &= taken - 1u;
    place++;
  }
}

// The i-th attended token, of the round that was found last.
fn tokenAt(list: u32, i: u32) -> u32 {
  let n = step.position + 1u;
  let attended = attendedSetOf(budget, n);
  let endListed = attended.sinkEnd + attended.selected;
  let listed = found[min(i - roundStart, roundTokens - 1u)];
  return select(select(n - (attended.count - i), listed, i < endListed), i, i < attended.sinkEnd);
}
