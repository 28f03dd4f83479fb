// find-selection.wgsl with subgroups, each of consecutive invocations: every one searches by itself, without waiting for
// another, and the first one's starts of chunks are kept.
override searchLanes = min(32u, threads / subgroups); // a power of two; no subgroup is smaller
override searchSteps = countOneBits(searchLanes - 1u);
override searchRounds = max(runs / 4u / searchLanes, 1u); // over the quads of runs, or of a run's bins

// Reads of counts that a lane has under way at once: all of a run's or bin's, where a subgroup has 32 lanes.
override searchReads = maxChunks * min(runs / 4u, searchLanes) / searchLanes;

// The selection of `goal` candidates, 1 ≤ goal ≤ candidates; fills chunkStarts. Once, by all invocations.
// The threshold is the least distance within which the list has `goal` candidates or more. Counts grow with the
// distance, so the run that holds it is searched for first, then its bin there.
fn selectionOf(list: u32, goal: u32, thread: u32) -> Selection {
  let lane = thread % searchLanes;
  var threshold = 0u;
  var first = 0u;
  var quads = runs / 4u;
  var width = fineBins;
  // Twice. No compiler sees that, so the code is there once.
  while (quads > 0u) {
    threshold += pointsBelow(list, first, quads, goal, lane) * width;
    first = runs + threshold;
    quads = select(0u, fineBins / 4u, width == fineBins);
    width = 1u;
  }
  var before = vec2u(0u);
  for (var i = 0u; i < maxChunks / searchLanes; i++) {
    let chunk = i * searchLanes + lane;
    var own = vec2u(0u);
    if (chunk < dims.chunks) {
      own = belowAndAt(countsOf(list, chunk) + runs, threshold);
    }
    var earlier = before;
    for (var exchange = 0u; exchange < searchSteps; exchange++) {
      let other = subgroupShuffleXor(own, 1u << exchange);
      earlier += select(vec2u(0u), other, ((lane >> exchange) & 1u) == 1u);
      own += other;
    }
    if (thread < searchLanes) {
      chunkStarts[chunk] = earlier;
    }
    before += own;
  }
  workgroupBarrier();
  return Selection(threshold, before.x + before.y - goal);
}

// Of 4 · quads bins or runs, from word `first` of every chunk's counts on: how many have fewer than `goal` candidates of all
// chunks within them. Lanes side by side have a quad each, others the same of other chunks. `quads` is a power of two, at
// most runs / 4.
fn pointsBelow(list: u32, first: u32, quads: u32, goal: u32, lane: u32) -> u32 {
  let wide = min(quads, searchLanes);
  let shift = countOneBits(wide - 1u);
  let row = runs / 4u * (1u + fineBins);
  var points = 0u;
  for (var turn = 0u; turn < searchRounds; turn++) {
    if (turn * wide >= quads) {
      break;
    }
    let at = (countsOf(list, 0u) + first) / 4u + turn * wide + (lane & (wide - 1u));
    var within = vec4u(0u);
    for (var read = 0u; read < searchReads; read++) {
      let chunk = ((read * searchLanes) >> shift) + (lane >> shift);
      if (chunk < dims.chunks) {
        within += counted[at + chunk * row];
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
