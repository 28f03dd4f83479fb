// Attention of many rows, each to its own few tokens: a workgroup takes one row of row-tiles.wgsl and attends to the
// tokens whose bits are set. With a tail of one mean, the tokens left out enter as one more: all tokens' sums less those of the
// attended, weight log(count); the attended keys' share of the sum is known from their scores. With a tail of blocks,
// every block enters as one more with the mean key and value of all its tokens, weight log(candidates in it · share of
// all candidates that is not selected).
// sums: f32 [kvHeads, room, 2, headDim], of keys and values over all tokens up to the row's; blocksBefore: f32 [kvHeads,
// blocks, 2, headDim], over all tokens before each block of 64.
struct Dims {
  qHeads: u32,
  group: u32,     // query heads to a KV head
  listHeads: u32, // query heads to a list
  headDim: u32,
  capacity: u32,
  room: u32,
  maskWords: u32,
  tail: u32,  // none, mean, blocks
  block: u32, // tokens, a multiple of 64
  blocks: u32,
  scale: f32, // includes log2(e): powers of two are taken instead of e
}
@group(0) @binding(7) var<storage, read> sums: array<f32>;
@group(0) @binding(8) var<storage, read> blocksBefore: array<f32>;
@group(0) @binding(9) var<uniform> budget: Budget;

const tailOfMean = 1u;
const tailOfBlocks = 2u;

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

// Sum over a block's tokens up to the row's, of one dimension of the key or, after headDim, the value.
fn blockSum(row: u32, n: u32, kvHead: u32, block: u32, dimension: u32) -> f32 {
  let width = 2u * dims.headDim;
  let next = (block + 1u) * dims.block;
  let before = (kvHead * dims.blocks + block * dims.block / 64u) * width + dimension;
  var through = 0.0;
  if (next >= n) {
    through = sums[(kvHead * dims.room + row) * width + dimension];
  } else {
    through = blocksBefore[(kvHead * dims.blocks + next / 64u) * width + dimension];
  }
  return through - blocksBefore[before];
}

// Adds the blocks, one an invocation.
fn addBlocks(row: u32, n: u32, kvHead: u32, lane: u32, state: ptr<function, Attended>) {
  let chosen = attendedSetOf(budget, n);
  let candidates = chosen.windowStart - chosen.sinkEnd;
  if (candidates == chosen.selected) { return; }
  let left = 1.0 - f32(chosen.selected) / f32(candidates);
  let blocks = (n + dims.block - 1u) / dims.block;
  let pairs = dims.headDim / 2u;
  for (var first = 0u; first < blocks; first += lanes) {
    let begin = (first + lane) * dims.block;
    let end = min(begin + dims.block, n);
    let firstCandidate = max(begin, chosen.sinkEnd);
    let endCandidate = min(end, chosen.windowStart);
    var scores = vec4f(lowest);
    if (firstCandidate < endCandidate) {
      var products = vec4f();
      for (var d = 0u; d < dims.headDim; d++) {
        products += queries[d] * blockSum(row, n, kvHead, first + lane, d);
      }
      scores = products / f32(end - begin) + log2(f32(endCandidate - firstCandidate) * left);
    }
    let shrink = weigh(scores, vec4f(1.0), lane, state);
    (*state).even *= shrink;
    (*state).odd *= shrink;
    if (lane < pairs) {
      for (var block = first; block < min(first + lanes, blocks); block++) {
        let size = f32(min(dims.block, n - block * dims.block));
        let weight = weights[block - first] / size;
        let dimension = dims.headDim + 2u * lane;
        (*state).even += weight * blockSum(row, n, kvHead, block, dimension);
        (*state).odd += weight * blockSum(row, n, kvHead, block, dimension + 1u);
      }
    }
    workgroupBarrier();
  }
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

  if (dims.tail == tailOfBlocks) { addBlocks(row, n, heads.kv, lane, &state); }
  var total = sumOfLanes(state.total, lane);
  var even = sumOfTeams(state.even, lane);
  var odd = sumOfTeams(state.odd, lane);
  let others = n - count;
  if (dims.tail == tailOfMean && others > 0u) {
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
