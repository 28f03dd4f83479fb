// The first half of decode attention without barriers: one invocation takes one split of one KV head for all query
// heads of its group. Tile by tile: scores of all heads, then one rescaling, then V, word by word; sums live in
// `partials` between tiles. Same formula and layouts as attend-split.wgsl, for any even headDim (rows of partials are
// padded to a multiple of 4).
struct Dims {
  capacity: u32,
  splits: u32,
}
override headDim: u32;
override group: u32; // query heads per KV head
override heads: u32; // of them in one invocation: a divisor of group, at most 8

const tile = 32u;
const noScore = -3.0e38;
const maxHeads = 8u;

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> query: array<vec2f>;
@group(0) @binding(3) var<storage, read> keyCache: array<u32>;
@group(0) @binding(4) var<storage, read> valueCache: array<u32>;
@group(0) @binding(5) var<storage, read_write> partials: array<f32>;

@compute @workgroup_size(4)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let split = id.x;
  let firstHead = id.y * heads;
  let kvHead = firstHead / group;
  if (split >= dims.splits) {
    return;
  }
  let words = headDim / 2u;
  let rowFloats = (headDim + 3u) / 4u * 4u + 4u;
  let scale = 1.4426950408889634 / sqrt(f32(headDim));
  let count = tokenCount();
  let perSplit = (((count + dims.splits - 1u) / dims.splits + tile - 1u) / tile) * tile;
  let start = split * perSplit;
  let end = min(start + perSplit, count);

  var queryRow: array<u32, maxHeads>;
  var partialRow: array<u32, maxHeads>;
  var top: array<f32, maxHeads>;
  var weight: array<f32, maxHeads>;
  for (var head = 0u; head < heads; head++) {
    queryRow[head] = (firstHead + head) * words;
    partialRow[head] = ((firstHead + head) * dims.splits + split) * rowFloats;
    top[head] = noScore;
    for (var d = 0u; d < headDim; d++) {
      partials[partialRow[head] + d] = 0.0;
    }
  }

  var scores: array<f32, tile * maxHeads>;
  var rows: array<u32, tile>;
  var correction: array<f32, maxHeads>;
  var sums: array<vec2f, maxHeads>;
  for (var first = start; first < end; first += tile) {
    let tokens = min(tile, end - first);
    for (var j = 0u; j < tokens; j++) {
      rows[j] = (kvHead * dims.capacity + tokenAt(first + j)) * words;
      for (var head = 0u; head < heads; head++) {
        sums[head] = vec2f(0.0);
      }
      for (var word = 0u; word < words; word++) {
        let key = unpack2x16float(keyCache[rows[j] + word]);
        for (var head = 0u; head < heads; head++) {
          sums[head] += key * query[queryRow[head] + word];
        }
      }
      for (var head = 0u; head < heads; head++) {
        scores[head * tile + j] = (sums[head].x + sums[head].y) * scale;
      }
    }
    for (var head = 0u; head < heads; head++) {
      var highest = top[head];
      for (var j = 0u; j < tokens; j++) {
        highest = max(highest, scores[head * tile + j]);
      }
      correction[head] = exp2(top[head] - highest);
      top[head] = highest;
      weight[head] *= correction[head];
      for (var j = 0u; j < tokens; j++) {
        scores[head * tile + j] = exp2(scores[head * tile + j] - highest);
        weight[head] += scores[head * tile + j];
      }
    }
    for (var word = 0u; word < words; word++) {
      for (var head = 0u; head < heads; head++) {
        sums[head] = vec2f(0.0);
      }
      for (var j = 0u; j < tokens; j++) {
        let value = unpack2x16float(valueCache[rows[j] + word]);
        for (var head = 0u; head < heads; head++) {
          sums[head] += scores[head * tile + j] * value;
        }
      }
      for (var head = 0u; head < heads; head++) {
        let at = partialRow[head] + 2u * word;
        partials[at] = partials[at] * correction[head] + sums[head].x;
        partials[at + 1u] = partials[at + 1u] * correction[head] + sums[head].y;
      }
    }
  }
  for (var head = 0u; head < heads; head++) {
    partials[partialRow[head] + rowFloats - 4u] = top[head];
    partials[partialRow[head] + rowFloats - 3u] = weight[head];
  }
}
