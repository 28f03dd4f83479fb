// The attended set of sparse attention, its list found on the way: the first tokens, the selected ones, and the last, all
// in ascending order. A workgroup finds those selected tokens that fall to its split, a round of them at a time: the
// threshold from the counts of all chunks, then the chunks that hold them, unit by unit. See shared/selection.wgsl.
struct Dims {
  capacity: u32,
  splits: u32,
  parts: u32,    // partial results of a head: the splits, and what a tail leaves behind them
  kvHeads: u32,
  countsAt: u32,
  chunks: u32,
  slots: u32,  // of the tail, see block-runs.wgsl and block-means.wgsl; 0 without one
  blocks: u32, // of the tail's sums; 0 without one
}

@group(0) @binding(6) var<uniform> budget: Budget;
@group(0) @binding(7) var<storage, read> counted: array<vec4u>;

const roundTokens = 384u;

struct ChunkRange {
  first: u32,
  last: u32,
}

var<workgroup> roundChunks: ChunkRange;
var<workgroup> found: array<u32, roundTokens>; // tokens of the round
var<private> selection: Selection;
var<private> roundStart: u32;

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
  let n = step.position + 1u;
  let attended = attendedSetOf(budget, n);
  let goal = attended.selected;
  if (isFirst) {
    let all = placesOf(attended, first, end);
    if (all.x < all.y) {
      selection = selectionOf(list, goal, thread);
    }
  } else {
    workgroupBarrier(); // until all have used what the round before found
  }
  roundStart = first;
  for (var i = first + thread; i < roundEnd; i += threads) {
    if (i < attended.sinkEnd) {
      found[i - first] = i;
    } else if (i >= attended.sinkEnd + goal) {
      found[i - first] = n - (attended.count - i);
    }
  }
  let places = placesOf(attended, first, roundEnd);
  if (places.x < places.y) {
    findListed(attended, list, first, places, thread);
  }
  workgroupBarrier();
  return roundEnd;
}

fn findListed(attended: AttendedSet, list: u32, first: u32, places: vec2u, thread: u32) {
  let goal = attended.selected;
  let chosen = selection;
  if (thread < dims.chunks) {
    let chunk = thread;
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
  let begin = chunkAt(attended, dims.chunks, chunks.first).begin * (groupTokens / unitTokens);
  let end = chunkAt(attended, dims.chunks, chunks.last).end * (groupTokens / unitTokens);
  // One, two or four units to an invocation, read before any is looked at: a tile more waits for its distances.
  let each = select(select(1u, 2u, end - begin > threads), 4u, end - begin > 2u * threads);
  let fromFound = attended.sinkEnd - first;
  var seen = chunkStarts[chunks.first];
  for (var tile = begin; tile < end; tile += each * threads) {
    let unit = tile + each * thread;
    let read = min(unit + min(vec4u(0u, 1u, 2u, 3u), vec4u(each - 1u)), vec4u(end - 1u));
    var units = FourUnits(unitAt(list, read.x), unitAt(list, read.y), unitAt(list, read.z), unitAt(list, read.w));
    // Marks of two units to a word. The units move up by name: the code is there once, and nothing is indexed.
    var near = vec2u(0u);
    var far = vec2u(0u);
    for (var i = 0u; i < each && unit + i < end; i++) {
      let marks = marksOf(units.a, chosen.threshold) << vec2u(unitTokens * (i % 2u));
      near |= select(vec2u(0u), marks, i < 2u);
      far |= select(marks, vec2u(0u), i < 2u);
      units = FourUnits(units.b, units.c, units.d, units.d);
    }
    let own = countOneBits(near) + countOneBits(far);
    let sums = sumThrough(thread, packed(own));
    var before = seen + unpacked(sums.through) - own;
    seen += unpacked(sums.all);
    for (var i = 0u; i < each; i += 2u) {
      keep(near, before, unit + i, places, fromFound);
      before += countOneBits(near);
      near = far;
    }
  }
}

struct FourUnits {
  a: Unit,
  b: Unit,
  c: Unit,
  d: Unit,
}

// Takes down the selected tokens among `marks`, which begin at `unit`, whose places are in the round. `before`: candidates
// below and at the threshold before them.
fn keep(marks: vec2u, before: vec2u, unit: u32, places: vec2u, fromFound: u32) {
  let skippedTies = selection.skippedTies;
  var place = placeAfter(before, skippedTies);
  if (place >= places.y || place + countOneBits(marks.x) + countOneBits(marks.y) <= places.x) {
    return;
  }
  var taken = takenOf(marks, before, skippedTies);
  while (taken != 0u) {
    if (place >= places.x && place < places.y) {
      found[place + fromFound] = unitTokens * unit + lowestBit(taken);
    }
    taken &= taken - 1u;
    place++;
  }
}

// The i-th attended token, of the round that was found last.
fn tokenAt(list: u32, i: u32) -> u32 {
  return found[i - roundStart];
}
