// token-selection.wgsl for one invocation: a cursor goes through the candidates from where its split begins.
struct Dims {
  capacity: u32,
  splits: u32,
  parts: u32,  // partial results of a head: the splits, and what a tail leaves behind them
  kvHeads: u32,
  countsAt: u32,
  chunks: u32,
  slots: u32,  // of the tail, see block-runs.wgsl and block-means.wgsl; 0 without one
  blocks: u32, // of the tail's sums; 0 without one
}

@group(0) @binding(6) var<uniform> budget: Budget;
@group(0) @binding(7) var<storage, read> counted: array<u32>;

struct Cursor {
  attended: AttendedSet,
  threshold: u32,
  skippedTies: u32, // still to be passed over
  next: u32,        // the first token not looked at
  i: u32,           // which attended token `token` is
  token: u32,
}

fn tokenCount() -> u32 {
  return attendedSetOf(budget, step.position + 1u).count;
}

// Candidates of a chunk within a bin.
fn withinAt(list: u32, bin: u32, chunk: u32) -> u32 {
  return counted[countsOf(list, chunk) + runs + bin];
}

// Candidates of all chunks within `points` bins or runs from word `first` of a chunk's counts on: how many have fewer than
// `goal` candidates within them, and how many candidates the next has.
fn pointsBelow(list: u32, first: u32, points: u32, goal: u32) -> vec2u {
  for (var point = 0u; point < points; point++) {
    var all = 0u;
    for (var chunk = 0u; chunk < dims.chunks; chunk++) {
      all += counted[countsOf(list, chunk) + first + point];
    }
    if (all >= goal) {
      return vec2u(point, all);
    }
  }
  return vec2u(points, 0u);
}

// Where the attended token `start` is found, and those after it.
fn cursorAt(list: u32, start: u32) -> Cursor {
  let attended = attendedSetOf(budget, step.position + 1u);
  var cursor = Cursor(attended, 0u, 0u, 0u, start, 0u);
  let goal = attended.selected;
  let firstBin = fineBins * pointsBelow(list, 0u, runs, goal).x;
  let bin = pointsBelow(list, runs + firstBin, fineBins, goal);
  cursor.threshold = firstBin + bin.x;
  cursor.skippedTies = bin.y - goal;

  // The chunk with the first of them, and what is before it there.
  let place = start - attended.sinkEnd;
  var passed = 0u;
  for (var chunk = 0u; chunk < dims.chunks; chunk++) {
    var below = 0u;
    if (cursor.threshold > 0u) {
      below = withinAt(list, cursor.threshold - 1u, chunk);
    }
    let ties = withinAt(list, cursor.threshold, chunk) - below;
    let skipped = min(cursor.skippedTies, ties);
    let selected = below + ties - skipped;
    if (passed + selected > place) {
      cursor.next = groupTokens * chunkAt(attended, dims.chunks, chunk).begin;
      break;
    }
    passed += selected;
    cursor.skippedTies -= skipped;
  }
  for (; passed <= place; passed++) {
    cursor.token = nextSelected(&cursor, list);
  }
  return cursor;
}

fn nextSelected(cursor: ptr<function, Cursor>, list: u32) -> u32 {
  let first = list * groupsOf(dims.capacity) * (groupTokens / 2u);
  while ((*cursor).next < (*cursor).attended.windowStart) {
    let token = (*cursor).next;
    (*cursor).next++;
    let distance = (counted[first + token / 2u] >> (16u * (token % 2u))) & 0xffffu;
    if (distance < (*cursor).threshold) {
      return token;
    }
    if (distance == (*cursor).threshold) {
      if ((*cursor).skippedTies == 0u) {
        return token;
      }
      (*cursor).skippedTies--;
    }
  }
  return 0u;
}

var<private> cursor: Cursor;
var<private> hasCursor: bool;

// The i-th attended token; cheap for the one asked for last, and the one after it.
fn tokenAt(list: u32, i: u32) -> u32 {
  let attended = attendedSetOf(budget, step.position + 1u);
  if (i < attended.sinkEnd) {
    return i;
  }
  if (i >= attended.sinkEnd + attended.selected) {
    return step.position + 1u - (attended.count - i);
  }
  if (!hasCursor || (i != cursor.i && i != cursor.i + 1u)) {
    cursor = cursorAt(list, i);
    hasCursor = true;
  } else if (i != cursor.i) {
    var moved = cursor;
    moved.i = i;
    moved.token = nextSelected(&moved, list);
    cursor = moved;
  }
  return cursor.token;
}
