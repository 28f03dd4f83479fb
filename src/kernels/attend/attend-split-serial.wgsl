// The first half of decode attention without barriers: one invocation takes one split of one list for up to four
// query heads of its group, one to a component of its vectors. Tile by tile: scores, one rescaling, then V; the sums
// live in `partials` between tiles. Indexed reads are what costs on a CPU: a query word serves four tokens, a weight
// four words. Same formula and layouts as attend-split.wgsl, for any even headDim (rows of partials are padded to a
// multiple of 4).
override headDim: u32;
override group: u32; // query heads per list
override listsPerKvHead: u32;

const tile = 32u;
const noScore = -3.0e38;

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> query: array<vec2f>;
@group(0) @binding(3) var<storage, read> keyCache: array<u32>;
@group(0) @binding(4) var<storage, read> valueCache: array<u32>;
@group(0) @binding(5) var<storage, read_write> partials: array<f32>;

fn attendSplit(split: u32, headBlock: u32) {
  let blocks = (group + 3u) / 4u;
  let list = headBlock / blocks;
  let firstHead = list * group + headBlock % blocks * 4u;
  let heads = min(4u, (list + 1u) * group - firstHead);
  let words = headDim / 2u;
  let rowFloats = (headDim + 3u) / 4u * 4u + 4u;
  let scale = 1.4426950408889634 / sqrt(f32(headDim));
  let count = tokenCount();
  let perSplit = ((count + dims.splits - 1u) / dims.splits + 3u) / 4u * 4u;
  let start = split * perSplit;
  let end = min(start + perSplit, count);

  // A component without a head repeats the last one and is not written.
  let head = firstHead + min(vec4u(0u, 1u, 2u, 3u), vec4u(heads - 1u));
  let queryRow = head * words;
  let partialRow = (head * dims.parts + split) * rowFloats;
  var top = vec4f(noScore);
  var weight = vec4f(0.0);
  for (var h = 0u; h < heads; h++) {
    for (var d = 0u; d < headDim; d++) {
      partials[partialRow[h] + d] = 0.0;
    }
  }

  var rows: array<u32, tile>;
  var scores: array<vec4f, tile>;
  for (var first = start; first < end; first += tile) {
    let tokens = (min(tile, end - first) + 3u) / 4u * 4u;
    var highest = top;
    for (var j = 0u; j < tokens; j += 4u) {
      let i = min(first + j + vec4u(0u, 1u, 2u, 3u), vec4u(end - 1u));
      let token = vec4u(tokenAt(list, i.x), tokenAt(list, i.y), tokenAt(list, i.z), tokenAt(list, i.w));
      let row = (list / listsPerKvHead * dims.capacity + token) * words;
      let sums = dotsOfFour(queryRow, row, words) * scale;
      rows[j] = row.x;
      rows[j + 1u] = row.y;
      rows[j + 2u] = row.z;
      rows[j + 3u] = row.w;
      scores[j] = sums[0];
      scores[j + 1u] = sums[1];
      scores[j + 2u] = sums[2];
      scores[j + 3u] = sums[3];
      // Tokens beyond the end repeat the last one, so the largest score is still an attended token's.
      highest = max(highest, max(max(sums[0], sums[1]), max(sums[2], sums[3])));
    }

    let correction = exp2(top - highest);
    top = highest;
    weight *= correction;
    for (var j = 0u; j < tokens; j++) {
      scores[j] = select(vec4f(0.0), exp2(scores[j] - highest), first + j < end);
      weight += scores[j];
    }

    for (var word = 0u; word < words; word += 4u) {
      let w = min(word + vec4u(0u, 1u, 2u, 3u), vec4u(words - 1u));
      var low0 = vec4f(0.0);
      var low1 = vec4f(0.0);
      var low2 = vec4f(0.0);
      var low3 = vec4f(0.0);
      var high0 = vec4f(0.0);
      var high1 = vec4f(0.0);
      var high2 = vec4f(0.0);
      var high3 = vec4f(0.0);
      for (var j = 0u; j < tokens; j++) {
        let row = rows[j];
        let score = scores[j];
        let value0 = unpack2x16float(valueCache[row + w.x]);
        let value1 = unpack2x16float(valueCache[row + w.y]);
        let value2 = unpack2x16float(valueCache[row + w.z]);
        let value3 = unpack2x16float(valueCache[row + w.w]);
        low0 += value0.x * score;
        high0 += value0.y * score;
        low1 += value1.x * score;
        high1 += value1.y * score;
        low2 += value2.x * score;
        high2 += value2.y * score;
        low3 += value3.x * score;
        high3 += value3.y * score;
      }
      let sums = array<vec4f, 8>(low0, high0, low1, high1, low2, high2, low3, high3);
      for (var h = 0u; h < heads; h++) {
        for (var i = 0u; i < min(8u, headDim - 2u * word); i++) {
          let at = partialRow[h] + 2u * word + i;
          partials[at] = partials[at] * correction[h] + sums[i][h];
        }
      }
    }
  }

  for (var h = 0u; h < heads; h++) {
    partials[partialRow[h] + rowFloats - 4u] = top[h];
    partials[partialRow[h] + rowFloats - 3u] = weight[h];
  }
}
