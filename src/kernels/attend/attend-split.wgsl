// Decode attention of one token, first half: softmax(q · K / sqrt(headDim)) · V over one split of the attended
// tokens, left unnormalised for attend-merge ("flash decoding": Dao et al. 2023; online softmax: Milakov and
// Gimelshein 2018, arXiv:1805.02867).
//
// One workgroup takes one split of one KV head, for `heads` query heads of its group, so K and V rows are read once
// for all of them. A team of `lanes` invocations owns one token at a time: a lane holds the same `octets` octets of
// dimensions of every query, K row, V row and accumulator. A team reads the K and V rows of `batch` tokens before it
// uses any (bytes in flight), sums the dot products over its lanes (teamSums, from team-sum-*.wgsl), rescales once
// per batch, and accumulates V without touching another team. Teams meet at the end.
// Scores are kept in units of log2(e), so that weights are exp2.
//
// query: f32 [qHeads, headDim]; keyCache, valueCache: f16 [kvHeads, capacity, headDim], eight halves to a vec4u;
// partials: f32 [qHeads, splits, headDim + 4]: sums of weighted values, largest score, sum of weights, two unused.
// headDim is a multiple of 8.
struct Dims {
  capacity: u32,
  splits: u32,
}
override headDim: u32;
override group: u32;   // query heads per KV head
override heads: u32;   // of them in one workgroup: a divisor of group, at most 8
override lanes: u32;   // a power of two
override octets: u32;  // of each row per lane, at most 8
override threads: u32; // a multiple of lanes

const batch = 4u; // tokens of a team per iteration
const noScore = -3.0e38;
const maxHeads = 8u;
const maxOctets = 8u;
const maxScores = batch * maxHeads;

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> query: array<vec4f>;
@group(0) @binding(3) var<storage, read> keyCache: array<vec4u>;
@group(0) @binding(4) var<storage, read> valueCache: array<vec4u>;
@group(0) @binding(5) var<storage, read_write> partials: array<f32>;

var<workgroup> teamMax: array<f32, (threads / lanes) * heads>;
var<workgroup> teamWeight: array<f32, (threads / lanes) * heads>;
var<workgroup> teamSum: array<f32, threads * octets * 8>;

fn lowHalf(words: vec4u) -> vec4f {
  return vec4f(unpack2x16float(words.x), unpack2x16float(words.y));
}

fn highHalf(words: vec4u) -> vec4f {
  return vec4f(unpack2x16float(words.z), unpack2x16float(words.w));
}

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32) {
  let split = workgroup.x;
  let firstHead = workgroup.y * heads;
  let kvHead = firstHead / group;
  let lane = thread % lanes;
  let team = thread / lanes;
  let teams = threads / lanes;
  let tile = teams * batch;
  let rowOctets = headDim / 8u;

  let count = tokenCount();
  let perSplit = (((count + dims.splits - 1u) / dims.splits + tile - 1u) / tile) * tile;
  let start = split * perSplit;
  let end = min(start + perSplit, count);

  // A lane beyond the row reads its last octet against a query of zeros, and its accumulators are not written.
  var queries: array<vec4f, maxHeads * maxOctets * 2u>;
  let scale = 1.4426950408889634 / sqrt(f32(headDim));
  for (var head = 0u; head < heads; head++) {
    let row = (firstHead + head) * rowOctets;
    for (var o = 0u; o < octets; o++) {
      let octet = o * lanes + lane;
      let at = 2u * (row + min(octet, rowOctets - 1u));
      let factor = select(0.0, scale, octet < rowOctets);
      queries[2u * (head * octets + o)] = query[at] * factor;
      queries[2u * (head * octets + o) + 1u] = query[at + 1u] * factor;
    }
  }

  var top: array<f32, maxHeads>;
  var weight: array<f32, maxHeads>;
  var sums: array<vec4f, maxHeads * maxOctets * 2u>;
  for (var head = 0u; head < heads; head++) {
    top[head] = noScore;
  }

  for (var first = start; first < end; first += tile) {
    var keys: array<vec4u, batch * maxOctets>;
    var values: array<vec4u, batch * maxOctets>;
    for (var j = 0u; j < batch; j++) {
      let token = tokenAt(min(first + j * teams + team, end - 1u));
      let row = (kvHead * dims.capacity + token) * rowOctets;
      for (var o = 0u; o < octets; o++) {
        let octet = min(o * lanes + lane, rowOctets - 1u);
        keys[j * octets + o] = keyCache[row + octet];
        values[j * octets + o] = valueCache[row + octet];
      }
    }

    // Zeroed by hand: not every compiler does it again for a variable of a loop body.
    var scores: array<f32, maxScores>;
    for (var slot = 0u; slot < batch * heads; slot++) {
      scores[slot] = 0.0;
    }
    for (var j = 0u; j < batch; j++) {
      for (var o = 0u; o < octets; o++) {
        let low = lowHalf(keys[j * octets + o]);
        let high = highHalf(keys[j * octets + o]);
        for (var head = 0u; head < heads; head++) {
          let at = 2u * (head * octets + o);
          scores[j * heads + head] += dot(low, queries[at]) + dot(high, queries[at + 1u]);
        }
      }
    }
    teamSums(&scores, thread);

    for (var head = 0u; head < heads; head++) {
      var highest = top[head];
      for (var j = 0u; j < batch; j++) {
        if (first + j * teams + team < end) {
          highest = max(highest, scores[j * heads + head]);
        }
      }
      let correction = exp2(top[head] - highest);
      top[head] = highest;
      weight[head] *= correction;
      for (var o = 0u; o < octets; o++) {
        sums[2u * (head * octets + o)] *= correction;
        sums[2u * (head * octets + o) + 1u] *= correction;
      }
      for (var j = 0u; j < batch; j++) {
        let isToken = first + j * teams + team < end;
        scores[j * heads + head] = select(0.0, exp2(scores[j * heads + head] - highest), isToken);
        weight[head] += scores[j * heads + head];
      }
    }
    for (var j = 0u; j < batch; j++) {
      for (var o = 0u; o < octets; o++) {
        let low = lowHalf(values[j * octets + o]);
        let high = highHalf(values[j * octets + o]);
        for (var head = 0u; head < heads; head++) {
          let at = 2u * (head * octets + o);
          sums[at] += scores[j * heads + head] * low;
          sums[at + 1u] += scores[j * heads + head] * high;
        }
      }
    }
  }

  for (var head = 0u; head < heads; head++) {
    if (lane == 0u) {
      teamMax[team * heads + head] = top[head];
      teamWeight[team * heads + head] = weight[head];
    }
  }
  workgroupBarrier();
  let rowFloats = headDim + 4u;
  for (var head = 0u; head < heads; head++) {
    var highest = noScore;
    for (var t = 0u; t < teams; t++) {
      highest = max(highest, teamMax[t * heads + head]);
    }
    let correction = exp2(top[head] - highest);
    for (var o = 0u; o < octets; o++) {
      let at = (team * octets * lanes + o * lanes + lane) * 8u;
      let low = sums[2u * (head * octets + o)] * correction;
      let high = sums[2u * (head * octets + o) + 1u] * correction;
      for (var i = 0u; i < 4u; i++) {
        teamSum[at + i] = low[i];
        teamSum[at + 4u + i] = high[i];
      }
    }
    workgroupBarrier();
    let partial = ((firstHead + head) * dims.splits + split) * rowFloats;
    for (var d = thread; d < headDim; d += threads) {
      var sum = 0.0;
      for (var t = 0u; t < teams; t++) {
        sum += teamSum[t * octets * lanes * 8u + d];
      }
      partials[partial + d] = sum;
    }
    if (thread == 0u) {
      var total = 0.0;
      for (var t = 0u; t < teams; t++) {
        total += teamWeight[t * heads + head] * exp2(teamMax[t * heads + head] - highest);
      }
      partials[partial + rowFloats - 4u] = highest;
      partials[partial + rowFloats - 3u] = total;
    }
    workgroupBarrier();
  }
}
