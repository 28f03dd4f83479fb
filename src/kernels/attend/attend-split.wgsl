// Decode attention of one token, first half: softmax(q · K / sqrt(headDim)) · V over one split of the attended
// tokens, left unnormalised for attend-merge ("flash decoding": Dao et al. 2023; online softmax: Milakov and
// Gimelshein 2018, arXiv:1805.02867).
//
// One workgroup takes one split of one list of tokens, for four query heads of its group, so K and V rows are read once
// for all four: a head is a component of every vector, and in a mat4x4f each column is a dimension.
// A team of `lanes` invocations owns one token at a time: a lane holds the same `octets` octets of dimensions of the
// queries, K row, V row and sums. A team reads the K and V rows of four tokens before it uses any (bytes in flight),
// sums the dot products over its lanes and turns them into weights (weigh, from weigh-*.wgsl), and accumulates V
// without touching another team. Teams meet at the end. Scores are in units of log2(e), so that weights are exp2.
//
// query: f32 [qHeads, headDim]; keyCache, valueCache: f16 [kvHeads, capacity, headDim], eight halves to a vec4u;
// partials: f32 [qHeads, splits, headDim + 4]: sums of weighted values, largest score, sum of weights, two unused.
// headDim is a multiple of 8. Which tokens there are says token-range.wgsl, token-list.wgsl or token-selection.wgsl, in
// rounds where they are found on the way; whether rows are also summed as they are says rows-unsummed.wgsl or
// rows-summed.wgsl; main comes last. A list of tokens serves `group` query heads; where every query head has its own,
// several lists share a KV head.
override headDim: u32;
override group: u32;   // query heads per list
override listsPerKvHead: u32;
override lanes: u32;   // a power of two, at least 4
override octets: u32;  // of each row per lane, at most 8
override threads: u32; // a multiple of lanes

const batch = 4u; // tokens of a team per iteration
const noScore = -3.0e38;

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> query: array<vec4f>;
@group(0) @binding(3) var<storage, read> keyCache: array<vec4u>;
@group(0) @binding(4) var<storage, read> valueCache: array<vec4u>;
@group(0) @binding(5) var<storage, read_write> partials: array<f32>;

var<workgroup> teamTop: array<vec4f, threads / lanes>;
var<workgroup> teamWeight: array<vec4f, threads / lanes>;
var<workgroup> teamSum: array<vec2f, (threads + 1) * octets * 8>;

// What a team knows of four tokens: a column of weights per token, relative to the largest score so far.
struct Weighed {
  weights: mat4x4f,
  top: vec4f,
}

// Eight dimensions of four heads.
struct Octet {
  low: mat4x4f,
  high: mat4x4f,
}

fn lowHalf(words: vec4u) -> vec4f {
  return vec4f(unpack2x16float(words.x), unpack2x16float(words.y));
}

fn highHalf(words: vec4u) -> vec4f {
  return vec4f(unpack2x16float(words.z), unpack2x16float(words.w));
}

fn dots(queries: Octet, key: vec4u) -> vec4f {
  return queries.low * lowHalf(key) + queries.high * highHalf(key);
}

fn outer(weights: vec4f, value: vec4f) -> mat4x4f {
  return mat4x4f(weights * value.x, weights * value.y, weights * value.z, weights * value.w);
}

fn scaled(sums: mat4x4f, factors: vec4f) -> mat4x4f {
  return mat4x4f(sums[0] * factors, sums[1] * factors, sums[2] * factors, sums[3] * factors);
}

fn attendSplit(split: u32, headBlock: u32, thread: u32) {
  let blocks = (group + 3u) / 4u;
  let list = headBlock / blocks;
  let firstHead = list * group + headBlock % blocks * 4u;
  let heads = min(4u, (list + 1u) * group - firstHead);
  let lane = thread % lanes;
  let team = thread / lanes;
  let teams = threads / lanes;
  let tile = teams * batch;
  let rowOctets = headDim / 8u;

  let count = tokenCount();
  let perSplit = ((count + dims.splits - 1u) / dims.splits + tile - 1u) / tile * tile;
  let start = split * perSplit;
  let end = min(start + perSplit, count);

  // A component without a head repeats the last one; a lane beyond the row repeats its last octet against a query
  // of zeros. Neither's sums are written.
  var queries: array<Octet, 8>;
  let scale = 1.4426950408889634 / sqrt(f32(headDim));
  for (var o = 0u; o < octets; o++) {
    let octet = o * lanes + lane;
    let factor = select(0.0, scale, octet < rowOctets);
    let row = (firstHead + min(vec4u(0u, 1u, 2u, 3u), vec4u(heads - 1u))) * rowOctets;
    let at = 2u * (row + min(octet, rowOctets - 1u));
    queries[o].low = factor * transpose(mat4x4f(query[at.x], query[at.y], query[at.z], query[at.w]));
    queries[o].high =
      factor * transpose(mat4x4f(query[at.x + 1u], query[at.y + 1u], query[at.z + 1u], query[at.w + 1u]));
  }

  var top = vec4f(noScore);
  var weight = vec4f(0.0);
  var sums: array<Octet, 8>;
  let cacheRow = list / listsPerKvHead * dims.capacity;
  var roundEnd = start;
  for (var first = start; first < end; first = min(first + tile, roundEnd)) {
    if (first == roundEnd) {
      roundEnd = findTokens(list, first, end, first == start, thread);
    }
    let i = first + team + teams * vec4u(0u, 1u, 2u, 3u);
    let isToken = i < vec4u(roundEnd);
    let read = min(i, vec4u(roundEnd - 1u));
    let token = vec4u(tokenAt(list, read.x), tokenAt(list, read.y), tokenAt(list, read.z), tokenAt(list, read.w));
    let row = (cacheRow + token) * rowOctets;
    var key0: array<vec4u, 8>;
    var key1: array<vec4u, 8>;
    var key2: array<vec4u, 8>;
    var key3: array<vec4u, 8>;
    var value0: array<vec4u, 8>;
    var value1: array<vec4u, 8>;
    var value2: array<vec4u, 8>;
    var value3: array<vec4u, 8>;
    for (var o = 0u; o < octets; o++) {
      let at = row + min(o * lanes + lane, rowOctets - 1u);
      key0[o] = keyCache[at.x];
      key1[o] = keyCache[at.y];
      key2[o] = keyCache[at.z];
      key3[o] = keyCache[at.w];
      value0[o] = valueCache[at.x];
      value1[o] = valueCache[at.y];
      value2[o] = valueCache[at.z];
      value3[o] = valueCache[at.w];
    }

    var score = mat4x4f(); // a column per token
    for (var o = 0u; o < octets; o++) {
      score[0] += dots(queries[o], key0[o]);
      score[1] += dots(queries[o], key1[o]);
      score[2] += dots(queries[o], key2[o]);
      score[3] += dots(queries[o], key3[o]);
    }
    let weighed = weigh(score, isToken, top, thread);
    let w = weighed.weights;
    if (any(weighed.top > top)) {
      let keep = exp2(top - weighed.top);
      top = weighed.top;
      weight *= keep;
      for (var o = 0u; o < octets; o++) {
        sums[o].low = scaled(sums[o].low, keep);
        sums[o].high = scaled(sums[o].high, keep);
      }
    }
    weight += (w[0] + w[1]) + (w[2] + w[3]);
    for (var o = 0u; o < octets; o++) {
      sums[o].low += outer(w[0], lowHalf(value0[o])) + outer(w[1], lowHalf(value1[o]))
        + outer(w[2], lowHalf(value2[o])) + outer(w[3], lowHalf(value3[o]));
      sums[o].high += outer(w[0], highHalf(value0[o])) + outer(w[1], highHalf(value1[o]))
        + outer(w[2], highHalf(value2[o])) + outer(w[3], highHalf(value3[o]));
      addRow(o, isToken.x, key0[o], value0[o]);
      addRow(o, isToken.y, key1[o], value1[o]);
      addRow(o, isToken.z, key2[o], value2[o]);
      addRow(o, isToken.w, key3[o], value3[o]);
    }
  }

  if (lane == 0u) {
    teamTop[team] = top;
  }
  workgroupBarrier();
  var highest = vec4f(noScore);
  for (var t = 0u; t < teams; t++) {
    highest = max(highest, teamTop[t]);
  }
  let keep = exp2(top - highest);
  if (lane == 0u) {
    teamWeight[team] = weight * keep;
  }
  // Two heads at a time: little workgroup memory lets more workgroups run at once. A row per dimension of an octet, one
  // element longer than needed, so that neighbours fall into different banks.
  let row = threads + 1u;
  for (var pair = 0u; 2u * pair < heads; pair++) {
    for (var o = 0u; o < octets; o++) {
      let low = scaled(sums[o].low, keep);
      let high = scaled(sums[o].high, keep);
      let at = o * 8u * row + thread;
      teamSum[at] = pairOf(low[0], pair);
      teamSum[at + row] = pairOf(low[1], pair);
      teamSum[at + 2u * row] = pairOf(low[2], pair);
      teamSum[at + 3u * row] = pairOf(low[3], pair);
      teamSum[at + 4u * row] = pairOf(high[0], pair);
      teamSum[at + 5u * row] = pairOf(high[1], pair);
      teamSum[at + 6u * row] = pairOf(high[2], pair);
      teamSum[at + 7u * row] = pairOf(high[3], pair);
    }
    workgroupBarrier();
    let stride = dims.splits * (headDim + 4u);
    let partial = ((firstHead + 2u * pair) * dims.splits + split) * (headDim + 4u);
    let hasSecond = 2u * pair + 1u < heads;
    for (var d = thread; d < headDim; d += threads) {
      let octet = d / 8u;
      let at = (octet / lanes * 8u + d % 8u) * row + octet % lanes;
      var sum = vec2f(0.0);
      for (var t = 0u; t < teams; t++) {
        sum += teamSum[at + t * lanes];
      }
      partials[partial + d] = sum.x;
      if (hasSecond) {
        partials[partial + stride + d] = sum.y;
      }
    }
    if (thread < 2u && 2u * pair + thread < heads) {
      var sum = 0.0;
      for (var t = 0u; t < teams; t++) {
        sum += teamWeight[t][2u * pair + thread];
      }
      partials[partial + thread * stride + headDim] = pairOf(highest, pair)[thread];
      partials[partial + thread * stride + headDim + 1u] = sum;
    }
    workgroupBarrier();
  }
  finishRows(split, headBlock, thread);
}

// Components 0 and 1, or 2 and 3: chosen, not indexed, so that what it chooses from stays in registers.
fn pairOf(values: vec4f, pair: u32) -> vec2f {
  return select(values.xy, values.zw, pair == 1u);
}
