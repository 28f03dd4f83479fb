// Attention of many rows to all tokens: those whose bits are set by their own scores, the rest by a proxy of theirs, block
// by block. A workgroup takes one row of row-tiles.wgsl. With m the mean score of a block's rest and each of its tokens
// weighing 2^level, the level is
//   mean: m, hence one token of mean key and value that counts as often as there are tokens;
//   spread: m + ln 2 · variance / 2, the mean of 2^score where scores are normal;
//   linear: as spread, times 1 + ln 2 · (score − m): values, too, lean to where scores are high;
//   mass: log2 of the mean of 2^score, exactly: what is wrong then is the values alone.
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
  scale: f32, // includes log2(e): powers of two are taken instead of e
}
const spreadKind = 1u;
const linearKind = 2u;
const massKind = 3u;
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
  let heads = headsOf(list, workgroup.z);
  let cacheStart = heads.kv * dims.capacity;
  loadQueries(row, heads, lane);
  workgroupBarrier();

  var state = nothingYet();
  for (var first = 0u; first < n; first += dims.block) {
    let end = min(first + dims.block, n);
    var scoreSum = vec4f();
    var count = 0u;
    for (var token = first + lane; token < end; token += lanes) {
      if (isAttended(row, list, token)) { continue; }
      scoreSum += scoresOf(cacheStart + token);
      count++;
    }
    let others = max(1.0, sumOfLanes(vec4f(f32(count)), lane).x);
    let mean = sumOfLanes(scoreSum, lane) / others;
    var level = mean;
    if (dims.kind != 0u) {
      var sum = vec4f();
      for (var token = first + lane; token < end; token += lanes) {
        if (isAttended(row, list, token)) { continue; }
        let above = scoresOf(cacheStart + token) - mean;
        sum += select(above * above, exp2(min(above, vec4f(mostAbove))), dims.kind == massKind);
      }
      let average = sumOfLanes(sum, lane) / others;
      level += select(0.5 * ln2 * average, log2(max(average, vec4f(1.0))), dims.kind == massKind);
    }

    for (var start = first; start < end; start += lanes) {
      let token = start + lane;
      var scores = vec4f(lowest);
      var factor = vec4f(1.0);
      if (token < end) {
        let isOther = !isAttended(row, list, token);
        var own = level;
        if (!isOther || dims.kind == linearKind) { own = scoresOf(cacheStart + token); }
        if (isOther && dims.kind == linearKind) { factor += ln2 * (own - mean); }
        scores = select(own, level, isOther);
      }
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
