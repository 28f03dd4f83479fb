// The threshold of a list and where its chunks start, by a whole workgroup: see selection.wgsl.
override fineQuads = fineBins / 4u;
override rowBins = fineBins + 1u; // of fineRows: one more than needed, for what lies before

// Candidates of all chunks within the last bin of every run, and within every bin of the threshold's run.
var<workgroup> runTotals: array<atomic<u32>, runs>;
var<workgroup> fineTotals: array<atomic<u32>, fineBins>;
var<workgroup> fineRows: array<u32, maxChunks * rowBins>; // of every chunk: before the threshold's run, and within its bins

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
