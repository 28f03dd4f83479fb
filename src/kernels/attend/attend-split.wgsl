// Decode attention of one token, first half: softmax(q · K / sqrt(headDim)) · V over one split of the attended
// tokens, left unnormalised for attend-merge ("flash decoding": Dao et al. 2023; online softmax: Milakov and
// Gimelshein 2018, arXiv:1805.02867).
//
// One workgroup takes one split of one list of tokens, for up to four query heads of its group, or up to eight in two
// sets of four, so K and V rows are read once for all: a head is a component of every vector, and in a mat4x4f each column
// is a dimension. Teams of neighbouring sets go through the same tokens side by side and ask for the same bytes together.
// A team of `lanes` invocations owns four tokens at a time: a lane holds the same one or two octets of dimensions of the
// K rows, V rows and sums; queries are read from workgroup memory. A team asks for the K rows of its next four tokens
// before it uses the V rows of these (bytes in flight), sums the dot products over its lanes and turns them into weights
// (weigh, from weigh-*.wgsl), and accumulates V without touching another team. Teams meet at the end. Scores are in units
// of log2(e), so that weights are exp2.
//
// query: f32 [qHeads, headDim]; keyCache, valueCache: f16 [kvHeads, capacity, headDim], eight halves to a vec4u;
// partials: f32 [qHeads, parts, headDim + 4]: sums of weighted values, largest score, sum of weights, two unused.
// headDim is a multiple of 8. A list of tokens serves `group` query heads; where every query head has its own, several
// lists share a KV head. Other files complete this one, main last:
// - which tokens there are: token-range.wgsl, token-list.wgsl, or token-selection.wgsl, which finds them in rounds;
// - which of them are a split's: tiles-in-turn.wgsl or tiles-together.wgsl;
// - whether rows are also summed as they are: rows-unsummed.wgsl or rows-summed.wgsl;
// - always: lane-octets.wgsl, query-columns.wgsl and team-sums.wgsl.
override headDim: u32;
override group: u32;   // query heads per list
override listsPerKvHead: u32;
override lanes: u32;   // a power of two, at least 4
override octets: u32;  // of each row per lane: one, or two that are `lanes` octets apart
override sets: u32;    // of four query heads in a workgroup: 1 or 2
override together: u32; // teams of a set whose sums meet by shuffles, before all do in memory: 1 or 2
override threads: u32; // a multiple of lanes · sets · together
override teamsPerSet = threads / lanes / sets;

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

// The attended tokens of a split: tiles from `start`, `stride` apart, below `end`. See tiles-*.wgsl.
struct Share {
  start: u32,
  end: u32,
  stride: u32,
}

// What a team knows of four tokens: a column of weights per token, relative to the largest score so far; and what this lane
// adds to its share of the sum of weights, which wholeWeight makes whole.
struct Weighed {
  weights: mat4x4f,
  own: vec4f,
  top: vec4f,
}

// Where the K and V rows of a team's four tokens begin, in octets, from its first on; beyond `end` the last is repeated.
fn rowsOf(list: u32, first: u32, end: u32) -> vec4u {
  let i = min(first + teamsPerSet * vec4u(0u, 1u, 2u, 3u), vec4u(end - 1u));
  let token = vec4u(tokenAt(list, i.x), tokenAt(list, i.y), tokenAt(list, i.z), tokenAt(list, i.w));
  return (list / listsPerKvHead * dims.capacity + token) * (headDim / 8u);
}

// A lane's share of the row that begins at `row`; `place`: its octets there.
fn keyRow(row: u32, place: vec2u) -> Row {
  var share = Row(keyCache[row + place.x], vec4u(0u));
  if (octets > 1u) {
    share.far = keyCache[row + place.y];
  }
  return share;
}

fn valueRow(row: u32, place: vec2u) -> Row {
  var share = Row(valueCache[row + place.x], vec4u(0u));
  if (octets > 1u) {
    share.far = valueCache[row + place.y];
  }
  return share;
}

fn attendSplit(split: u32, headBlock: u32, thread: u32) {
  let blocks = (group + 4u * sets - 1u) / (4u * sets);
  let list = headBlock / blocks;
  let firstHead = list * group + headBlock % blocks * 4u * sets;
  let endHead = min(firstHead + 4u * sets, (list + 1u) * group);
  let lane = thread % lanes;
  let team = thread / lanes;
  let headSet = team % sets;
  let tile = teamsPerSet * batch;

  let share = shareOf(split, tile);
  // A lane beyond the row repeats its last octet against a query of zeros; its sums are not written.
  let place = min(vec2u(lane, lane + lanes), vec2u(headDim / 8u - 1u));

  var top = vec4f(noScore);
  var weight = vec4f(0.0);
  var sums = Octets();
  var row: vec4u;
  var key0: Row;
  var key1: Row;
  var key2: Row;
  var key3: Row;
  var roundEnd = share.start;
  var first = share.start;
  while (first < share.end) {
    if (first == roundEnd) {
      roundEnd = findTokens(list, first, share.end, first == share.start, thread);
      row = rowsOf(list, first + team / sets, roundEnd);
      key0 = keyRow(row.x, place);
      key1 = keyRow(row.y, place);
      key2 = keyRow(row.z, place);
      key3 = keyRow(row.w, place);
    }
    let value0 = valueRow(row.x, place);
    let value1 = valueRow(row.y, place);
    let value2 = valueRow(row.z, place);
    let value3 = valueRow(row.w, place);
    if (first == share.start) {
      keepQueries(firstHead, endHead, thread);
    }

    let isToken = first + team / sets + teamsPerSet * vec4u(0u, 1u, 2u, 3u) < vec4u(roundEnd);
    addKey(isToken.x, key0);
    addKey(isToken.y, key1);
    addKey(isToken.z, key2);
    addKey(isToken.w, key3);
    let score = productsOf(headSet * columnsPerSet + lane, key0, key1, key2, key3);
    first = min(first + share.stride, roundEnd);
    if (first < roundEnd) {
      row = rowsOf(list, first + team / sets, roundEnd);
      key0 = keyRow(row.x, place);
      key1 = keyRow(row.y, place);
      key2 = keyRow(row.z, place);
      key3 = keyRow(row.w, place);
    }

    let weighed = weigh(score, isToken, top, thread);
    let w = weighed.weights;
    if (any(weighed.top > top)) {
      let keep = exp2(top - weighed.top);
      top = weighed.top;
      weight *= keep;
      sums.near = scaled(sums.near, keep);
      if (octets > 1u) {
        sums.far = scaled(sums.far, keep);
      }
    }
    weight += weighed.own;
    sums.near = accumulated(sums.near, w, value0.near, value1.near, value2.near, value3.near);
    if (octets > 1u) {
      sums.far = accumulated(sums.far, w, value0.far, value1.far, value2.far, value3.far);
    }
    addValue(isToken.x, value0);
    addValue(isToken.y, value1);
    addValue(isToken.z, value2);
    addValue(isToken.w, value3);
  }
  weight = wholeWeight(weight);

  if (lane == 0u) {
    teamTop[team] = top;
  }
  workgroupBarrier();
  var highest = vec4f(noScore);
  for (var t = 0u; t < teamsPerSet; t++) {
    highest = max(highest, teamTop[headSet + t * sets]);
  }
  let keep = exp2(top - highest);
  if (lane == 0u) {
    teamWeight[team] = weight * keep;
  }
  sums.near = scaled(sums.near, keep);
  if (octets > 1u) {
    sums.far = scaled(sums.far, keep);
  }
  // Two heads of a set at a time, or all four where two teams have met, each with two of them: little workgroup memory
  // lets more workgroups run at once.
  let rowFloats = headDim + 4u;
  let stride = dims.parts * rowFloats;
  for (var part = 0u; part < 2u / together; part++) {
    let first = 2u * part;
    if (firstHead + first >= endHead) {
      break;
    }
    if (part > 0u) {
      workgroupBarrier();
    }
    let isSecond = select(first == 2u, team / sets % 2u == 1u, together == 2u);
    store(thread, sums.near, isSecond);
    if (octets > 1u) {
      store(thread + threads, sums.far, isSecond);
    }
    workgroupBarrier();
    for (var i = thread; i < sets * together * headDim; i += threads) {
      let d = i % headDim;
      let pair = i / headDim;
      let head = firstHead + first + 4u * (pair % sets) + 2u * (pair / sets);
      let sum = sumOfTeams(d, pair);
      let at = (head * dims.parts + split) * rowFloats + d;
      if (head < endHead) {
        partials[at] = sum.x;
      }
      if (head + 1u < endHead) {
        partials[at + stride] = sum.y;
      }
    }
  }
  let head = firstHead + 4u * headSet + lane;
  if (lane < 4u && team < sets && head < endHead) {
    var sum = vec4f(0.0);
    for (var t = 0u; t < teamsPerSet; t++) {
      sum += teamWeight[headSet + t * sets];
    }
    let at = (head * dims.parts + split) * rowFloats + headDim;
    partials[at] = componentFor(highest, lane);
    partials[at + 1u] = componentFor(sum, lane);
  }
  if (headBlock % blocks == 0u) {
    finishRows(split, list, thread);
  }
}
