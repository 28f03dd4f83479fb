// Attention of many rows, each to its own few tokens: a workgroup takes one row of row-tiles.wgsl and attends to the
// tokens whose bits are set. With the tail, the tokens left out enter as one more: all tokens' sums less those of the
// attended, weight log(count); the attended keys' share of the sum is known from their scores.
// sums: f32 [kvHeads, room, 2, headDim], of keys and values over all tokens up to the row's.
struct Dims {
  qHeads: u32,
  group: u32,     // query heads to a KV head
  listHeads: u32, // query heads to a list
  headDim: u32,
  capacity: u32,
  room: u32,
  maskWords: u32,
  tail: u32,
  scale: f32, // includes log2(e): powers of two are taken instead of e
}
@group(0) @binding(7) var<storage, read> sums: array<f32>;

var<workgroup> words: array<u32, lanes / 4u>;
var<workgroup> found: u32;

// Adds the tokens of a stretch to the `held` ones of the list; returns how many there are then.
fn listTokens(row: u32, list: u32, first: u32, held: u32, lane: u32) -> u32 {
  let end = (step.position + row) / 32u + 1u; // words of the row's context
  let word = first / 32u + lane;
  if (lane < lanes / 4u) {
    var bits = 0u;
    if (word < end) { bits = mask[(list * dims.room + row) * dims.maskWords + word]; }
    words[lane] = bits;
  }
  workgroupBarrier();
  let own = lane / 4u;
  let shift = 8u * (lane % 4u);
  var to = held;
  var all = held;
  for (var i = 0u; i < lanes / 4u; i++) {
    let count = countOneBits(words[i]);
    to += select(0u, count, i < own);
    all += count;
  }
  to += countOneBits(words[own] & ((1u << shift) - 1u));
  var bits = (words[own] >> shift) & 255u;
  while (bits != 0u) {
    tokens[to] = first + 8u * lane + firstTrailingBit(bits);
    to++;
    bits &= bits - 1u;
  }
  if (lane == 0u) { found = all; }
  return workgroupUniformLoad(&found);
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

  var state = nothingYet();
  var scoreSum = vec4f(); // of this invocation's tokens
  var held = 0u;
  var count = 0u;
  for (var first = 0u; first < n; first += 8u * lanes) {
    let listed = listTokens(row, list, first, held, lane);
    let isLast = first + 8u * lanes >= n;
    count += listed - held;
    var taken = 0u;
    while (taken + lanes <= listed || (isLast && taken < listed)) {
      let size = min(lanes, listed - taken);
      var scores = vec4f(lowest);
      if (lane < size) {
        scores = scoresOf(cacheStart + tokens[taken + lane]);
        scoreSum += scores;
      }
      addTile(taken, size, cacheStart, scores, vec4f(1.0), lane, &state);
      taken += size;
    }
    held = listed - taken;
    let kept = tokens[taken + lane]; // at most lanes - 1 of them are tokens
    workgroupBarrier();
    tokens[lane] = kept;
  }

  var total = sumOfLanes(state.total, lane);
  var even = sumOfTeams(state.even, lane);
  var odd = sumOfTeams(state.odd, lane);
  let others = n - count;
  if (dims.tail == 1u && others > 0u) {
    let pairs = dims.headDim / 2u;
    let ofRow = (heads.kv * dims.room + row) * 2u * dims.headDim;
    var products = vec4f();
    for (var d = lane; d < dims.headDim; d += lanes) {
      products += queries[d] * sums[ofRow + d];
    }
    let ofOthers = sumOfLanes(products - scoreSum, lane);
    let scores = ofOthers / f32(others) + log2(f32(others));
    let highest = max(state.highest, scores);
    let shrink = exp2(state.highest - highest);
    let weight = exp2(scores - highest);
    let plain = sumOfTeams(vec4f(state.plain, 0.0, 0.0), lane);
    let at = ofRow + dims.headDim + 2u * (lane % pairs);
    let mean = (vec2f(sums[at], sums[at + 1u]) - plain.xy) / f32(others);
    total = total * shrink + weight;
    even = even * shrink + weight * mean.x;
    odd = odd * shrink + weight * mean.y;
  }
  store(row, heads, lane, even, odd, total);
}
