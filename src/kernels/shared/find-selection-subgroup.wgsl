// find-selection.wgsl with subgroups, each of consecutive invocations: every one searches by itself, without waiting for
// another, and the first one's starts of chunks are kept.
override searchLanes = min(32u, threads / subgroups); // a power of two; no subgroup is smaller

// The selection of `goal` candidates, 1 ≤ goal ≤ candidates; fills chunkStarts. Once, by all invocations.
// The threshold is the least distance within which the list has `goal` candidates or more. Counts grow with the
// distance, so the run that holds it is searched for first, then its bin there.
fn selectionOf(list: u32, goal: u32, thread: u32) -> Selection {
  let lane = thread % searchLanes;
  let run = pointsBelow(list, 0u, runs / 4u, goal, lane);
  let threshold = run * fineBins + pointsBelow(list, runs + run * fineBins, fineBins / 4u, goal, lane);
  var before = vec2u(0u);
  for (var first = 0u; first < maxChunks; first += searchLanes) {
    let chunk = first + lane;
    var own = vec2u(0u);
    if (chunk < dims.chunks) {
      own = belowAndAt(countsOf(list, chunk) + runs, threshold);
    }
    let through = vec2u(subgroupInclusiveAdd(own.x), subgroupInclusiveAdd(own.y));
    if (thread < searchLanes) {
      chunkStarts[chunk] = before + through - own;
    }
    before += subgroupShuffle(through, searchLanes - 1u);
  }
  workgroupBarrier();
  return Selection(threshold, before.x + before.y - goal);
}

// Of 4 · quads bins or runs, from word `first` of every chunk's counts on: how many have fewer than `goal` candidates of all
// chunks within them. Lanes side by side have a quad each, others the same of other chunks.
fn pointsBelow(list: u32, first: u32, quads: u32, goal: u32, lane: u32) -> u32 {
  let wide = min(quads, searchLanes);
  var points = 0u;
  for (var base = 0u; base < quads; base += wide) {
    var within = vec4u(0u);
    for (var chunk = 0u; chunk < maxChunks; chunk += searchLanes / wide) {
      let own = chunk + lane / wide;
      if (own < dims.chunks) {
        within += counted[(countsOf(list, own) + first) / 4u + base + lane % wide];
      }
    }
    for (var mask = wide; mask < searchLanes; mask *= 2u) {
      within += subgroupShuffleXor(within, mask);
    }
    points += countedLanes(within.x < goal, wide) + countedLanes(within.y < goal, wide)
      + countedLanes(within.z < goal, wide) + countedLanes(within.w < goal, wide);
  }
  return points;
}

// How many of a subgroup's first `wide` lanes say so.
fn countedLanes(isBelow: bool, wide: u32) -> u32 {
  return countOneBits(subgroupBallot(isBelow).x & ((1u << wide) - 1u));
}

// Candidates of a chunk below the threshold, and at it; `bins`: word where its single bins begin.
fn belowAndAt(bins: u32, threshold: u32) -> vec2u {
  let at = bins + threshold;
  var below = 0u;
  if (threshold > 0u) {
    below = componentOf(counted[(at - 1u) / 4u], (at - 1u) % 4u);
  }
  return vec2u(below, componentOf(counted[at / 4u], at % 4u) - below);
}
