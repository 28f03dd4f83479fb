// Attention of a row of up to four query heads (the components of every vec4f here) that share a list, a tile of tokens
// at a time: each invocation has the score of one token, then takes one pair of dimensions of the values.
// query: f32 [rows, qHeads, headDim]; keys (in score-*.wgsl), values: packed f16 [kvHeads, capacity, headDim];
// mask: u32 [lists, room, maskWords], none beyond a row's own token and one at least; out: f32 [rows, qHeads, headDim].
// Dims, which tokens there are and how they are weighed: attend-rows.wgsl, attend-proxies.wgsl.
override lanes: u32; // a power of two, 16 to 128, headDim / 2 at least

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> query: array<f32>;
@group(0) @binding(4) var<storage, read> values: array<u32>;
@group(0) @binding(5) var<storage, read> mask: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<vec2f>;

// Finite stand-in for −∞; differences with any score stay finite too.
const lowest = -3.0e38;

var<workgroup> queries: array<vec4f, 256>; // by dimension, scaled
// Tokens of tiles: less than a tile that is left over, and up to eight an invocation.
var<workgroup> tokens: array<u32, 9u * lanes>;
var<workgroup> weights: array<vec4f, lanes>;
var<workgroup> partial: array<vec4f, 2u * lanes>;

struct Heads {
  first: u32,
  last: u32, // of the list, however many there are
  kv: u32,
}

struct Attended {
  highest: vec4f,
  total: vec4f, // of the weights, over this invocation's tokens only
  even: vec4f,  // weighted values of this invocation's dimensions, over its team's tokens
  odd: vec4f,
  plain: vec2f, // the same values, each of weight 1
}

fn headsOf(list: u32, four: u32) -> Heads {
  let first = list * dims.listHeads + 4u * four;
  return Heads(first, (list + 1u) * dims.listHeads - 1u, first / dims.group);
}

fn loadQueries(row: u32, heads: Heads, lane: u32) {
  let head = min(heads.first + vec4u(0u, 1u, 2u, 3u), vec4u(heads.last));
  let at = (row * dims.qHeads + head) * dims.headDim;
  for (var d = lane; d < dims.headDim; d += lanes) {
    queries[d] = dims.scale * vec4f(query[at.x + d], query[at.y + d], query[at.z + d], query[at.w + d]);
  }
}

fn nothingYet() -> Attended {
  return Attended(vec4f(lowest), vec4f(), vec4f(), vec4f(), vec2f());
}

// An invocation's own token weighs factor · 2^score. Returns what older sums have to be multiplied by.
fn weigh(scores: vec4f, factor: vec4f, lane: u32, state: ptr<function, Attended>) -> vec4f {
  partial[lane] = scores;
  workgroupBarrier();
  if (lane < 16u) {
    var most = partial[lane];
    for (var i = lane + 16u; i < lanes; i += 16u) {
      most = max(most, partial[i]);
    }
    partial[lanes + lane] = most;
  }
  workgroupBarrier();
  var highest = (*state).highest;
  for (var i = 0u; i < 16u; i++) {
    highest = max(highest, partial[lanes + i]);
  }
  let shrink = exp2((*state).highest - highest);
  let weight = factor * exp2(scores - highest);
  (*state).highest = highest;
  (*state).total = (*state).total * shrink + weight;
  weights[lane] = weight;
  workgroupBarrier();
  return shrink;
}

// Adds tokens[begin … begin + count), one an invocation.
fn addTile(begin: u32, count: u32, cacheStart: u32, scores: vec4f, factor: vec4f, lane: u32, state: ptr<function, Attended>) {
  let shrink = weigh(scores, factor, lane, state);
  let pairs = dims.headDim / 2u;
  let teams = lanes / pairs;
  let team = lane / pairs;
  if (team >= teams) { return; }
  var even = (*state).even * shrink;
  var odd = (*state).odd * shrink;
  var plain = (*state).plain;
  // Four values are read before any is used.
  for (var first = team; first < count; first += 4u * teams) {
    let turn = first + teams * vec4u(0u, 1u, 2u, 3u);
    let safe = min(turn, vec4u(count - 1u));
    let is = select(vec4f(0.0), vec4f(1.0), turn < vec4u(count));
    let a = valueOf(cacheStart + tokens[begin + safe.x], pairs, lane % pairs);
    let b = valueOf(cacheStart + tokens[begin + safe.y], pairs, lane % pairs);
    let c = valueOf(cacheStart + tokens[begin + safe.z], pairs, lane % pairs);
    let d = valueOf(cacheStart + tokens[begin + safe.w], pairs, lane % pairs);
    let ofA = is.x * weights[safe.x];
    let ofB = is.y * weights[safe.y];
    let ofC = is.z * weights[safe.z];
    let ofD = is.w * weights[safe.w];
    even += (ofA * a.x + ofB * b.x) + (ofC * c.x + ofD * d.x);
    odd += (ofA * a.y + ofB * b.y) + (ofC * c.y + ofD * d.y);
    plain += (is.x * a + is.y * b) + (is.z * c + is.w * d);
  }
  (*state).even = even;
  (*state).odd = odd;
  (*state).plain = plain;
}

fn valueOf(cacheRow: u32, pairs: u32, pair: u32) -> vec2f {
  return unpack2x16float(values[cacheRow * pairs + pair]);
}

fn sumOfLanes(own: vec4f, lane: u32) -> vec4f {
  workgroupBarrier();
  partial[lane] = own;
  workgroupBarrier();
  if (lane < 16u) {
    var some = partial[lane];
    for (var i = lane + 16u; i < lanes; i += 16u) {
      some += partial[i];
    }
    partial[lanes + lane] = some;
  }
  workgroupBarrier();
  var sum = vec4f();
  for (var i = 0u; i < 16u; i++) {
    sum += partial[lanes + i];
  }
  return sum;
}

// Over the teams; of meaning to the first.
fn sumOfTeams(own: vec4f, lane: u32) -> vec4f {
  workgroupBarrier();
  partial[lane] = own;
  workgroupBarrier();
  let pairs = dims.headDim / 2u;
  var sum = vec4f();
  for (var i = lane % pairs; i < lanes / pairs * pairs; i += pairs) {
    sum += partial[i];
  }
  return sum;
}

// even, odd: of all tokens; total: what they are to be divided by.
fn store(row: u32, heads: Heads, lane: u32, even: vec4f, odd: vec4f, total: vec4f) {
  let pairs = dims.headDim / 2u;
  if (lane >= pairs) { return; }
  let first = even / total;
  let second = odd / total;
  let at = (row * dims.qHeads + heads.first) * pairs + lane;
  out[at] = vec2f(first.x, second.x);
  if (heads.first + 1u <= heads.last) { out[at + pairs] = vec2f(first.y, second.y); }
  if (heads.first + 2u <= heads.last) { out[at + 2u * pairs] = vec2f(first.z, second.z); }
  if (heads.first + 3u <= heads.last) { out[at + 3u * pairs] = vec2f(first.w, second.w); }
}
