// Attention of many rows to all tokens: those whose bits are set by their own scores, the rest block by block, as tokens
// that stand for it. A workgroup takes one row of row-tiles.wgsl. A block's rest weighs count · 2^level with the mean value
// of some of its tokens. With m their mean score, the level is
//   mean: m, as of one token of mean key and value;
//   spread: m + ln 2 · variance / 2, the log2 of the mean of 2^score where scores are normal;
//   linear: as spread, values weighed by 1 + ln 2 · (score − m) in their mean: it leans to where scores are high;
//   mass: log2 of the mean of 2^score, exactly: what is wrong then is the values alone.
// The mean is over the rest, over the block's candidates (neither sink nor window), or over all its tokens up to the row's.
// The count is that of the rest, or of the candidates times the share of all candidates that is not selected.
struct Dims {
  qHeads: u32,
  group: u32,     // query heads to a KV head
  listHeads: u32, // query heads to a list
  headDim: u32,
  capacity: u32,
  room: u32,
  maskWords: u32,
  kind: u32,
  block: u32, // tokens, a multiple of lanes
  over: u32,
  estimated: u32, // the count
  scale: f32, // includes log2(e): powers of two are taken instead of e
}
@group(0) @binding(7) var<uniform> budget: Budget;

const meanKind = 0u;
const linearKind = 2u;
const massKind = 3u;
const overRest = 0u;
const overCandidates = 1u;
const ln2 = 0.6931471805599453;
// Above this a mean of powers of two overflows.
const mostAbove = 100.0;

fn isAttended(row: u32, list: u32, token: u32) -> bool {
  let word = mask[(list * dims.room + row) * dims.maskWords + token / 32u];
  return ((word >> (token % 32u)) & 1u) == 1u;
}

@compute @workgroup_size(lanes)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = workgroup.x;
  let list = workgroup.y;
  if (row >= step.rows) { return; }
  let n = step.position + row + 1u;
  let chosen = attendedSetOf(budget, n);
  let candidates = chosen.windowStart - chosen.sinkEnd;
  let left = 1.0 - f32(chosen.selected) / max(1.0, f32(candidates));
  let heads = headsOf(list, workgroup.z);
  let cacheStart = heads.kv * dims.capacity;
  loadQueries(row, heads, lane);
  workgroupBarrier();

  var state = nothingYet();
  for (var first = 0u; first < n; first += dims.block) {
    let end = min(first + dims.block, n);
    var scoreSum = vec4f();
    var counts = vec4f(); // tokens averaged over, the rest, candidates
    for (var token = first + lane; token < end; token += lanes) {
      let isRest = !isAttended(row, list, token);
      let isCandidate = token >= chosen.sinkEnd && token < chosen.windowStart;
      let isOver = isAveraged(isRest, isCandidate);
      counts += select(vec4f(), vec4f(1.0), vec4<bool>(isOver, isRest, isCandidate, false));
      if (isOver) { scoreSum += scoresOf(cacheStart + token); }
    }
    counts = sumOfLanes(counts, lane);
    let averaged = max(1.0, counts.x);
    let count = select(counts.y, counts.z * left, dims.estimated == 1u);
    let mean = sumOfLanes(scoreSum, lane) / averaged;
    var level = mean;
    if (dims.kind != meanKind) {
      var sum = vec4f();
      for (var token = first + lane; token < end; token += lanes) {
        let isCandidate = token >= chosen.sinkEnd && token < chosen.windowStart;
        if (!isAveraged(!isAttended(row, list, token), isCandidate)) { continue; }
        let above = scoresOf(cacheStart + token) - mean;
        sum += select(above * above, exp2(min(above, vec4f(mostAbove))), dims.kind == massKind);
      }
      let average = sumOfLanes(sum, lane) / averaged;
      level += select(0.5 * ln2 * average, log2(max(average, vec4f(1.0))), dims.kind == massKind);
    }
    // What one averaged token weighs for the rest.
    let share = level + log2(max(count, 1e-30) / averaged);

    for (var start = first; start < end; start += lanes) {
      let token = start + lane;
      var own = vec4f(lowest);
      var ofRest = vec4f(lowest);
      var lean = vec4f(1.0);
      if (token < end) {
        let isRest = !isAttended(row, list, token);
        let isCandidate = token >= chosen.sinkEnd && token < chosen.windowStart;
        let isOver = count > 0.0 && isAveraged(isRest, isCandidate);
        if (isOver) { ofRest = share; }
        if (!isRest || (isOver && dims.kind == linearKind)) {
          let scores = scoresOf(cacheStart + token);
          if (!isRest) { own = scores; }
          if (dims.kind == linearKind) { lean += ln2 * (scores - mean); }
        }
      }
      let scores = max(own, ofRest);
      let factor = select(vec4f(), exp2(own - scores), own > vec4f(lowest))
        + select(vec4f(), lean * exp2(ofRest - scores), ofRest > vec4f(lowest));
      tokens[lane] = token;
      addTile(0u, min(lanes, end - start), cacheStart, scores, factor, lane, &state);
      workgroupBarrier();
    }
  }
  let total = sumOfLanes(state.total, lane);
  let even = sumOfTeams(state.even, lane);
  let odd = sumOfTeams(state.odd, lane);
  store(row, heads, lane, even, odd, total);
}

fn isAveraged(isRest: bool, isCandidate: bool) -> bool {
  if (dims.over == overRest) { return isRest; }
  return dims.over != overCandidates || isCandidate;
}
