// A run of block means by a workgroup, four query heads at a time. See block-means.wgsl. A team takes up to four blocks,
// whose key sums it reads before it uses any; teams meet in the memory that splits meet in. Then an invocation takes a
// dimension of the values of all blocks, four read before any is used.
// A run has at most runBlocks.
@group(0) @binding(8) var<storage, read_write> blockSums: array<vec4f>;

override runBlocks = 4u * threads / lanes;

// Of two heads, two for every block.
var<workgroup> blockScores: array<vec2f, 2u * runBlocks>;

struct SumsOctet {
  low: vec4f,
  high: vec4f,
}

fn attendBlocks(slot: u32, kvHead: u32, thread: u32) {
  let run = blockRunOf(slot, dims.slots, step.position);
  let attended = attendedSetOf(budget, step.position + 1u);
  let rowOctets = headDim / 8u;
  let sumsStart = kvHead * dims.blocks * 4u * rowOctets;
  let count = run.end - run.first;
  if (hasNewest(run)) {
    let at = sumsStart + run.newest * 4u * rowOctets;
    for (var octet = thread; octet < rowOctets; octet += threads) {
      let row = (kvHead * dims.capacity + step.position) * rowOctets + octet;
      addOctet(at + 2u * octet, keyCache[row]);
      addOctet(at + 2u * (rowOctets + octet), valueCache[row]);
    }
    storageBarrier();
  }

  let lane = thread % lanes;
  let team = thread / lanes;
  let heads = group * listsPerKvHead;
  let scale = 1.4426950408889634 / sqrt(f32(headDim));
  let rowFloats = headDim + 4u;
  for (var first = 0u; first < heads; first += 4u) {
    // A team without a block repeats the run's last, and an empty run reads none: another's newest block is being written.
    let block = run.first + team + threads / lanes * vec4u(0u, 1u, 2u, 3u);
    let sums = sumsStart + min(block, vec4u(run.end - 1u)) * 4u * rowOctets;
    let queryRow = (kvHead * heads + min(first + vec4u(0u, 1u, 2u, 3u), vec4u(heads - 1u))) * rowOctets;
    var products = mat4x4f();
    for (var octet = lane; octet < rowOctets && count > 0u; octet += lanes) {
      let key0 = sumsOctet(sums.x + 2u * octet);
      let key1 = sumsOctet(sums.y + 2u * octet);
      let key2 = sumsOctet(sums.z + 2u * octet);
      let key3 = sumsOctet(sums.w + 2u * octet);
      let queries = queryOctet(2u * (queryRow + octet));
      products += mat4x4f(
        queries.low * key0.low + queries.high * key0.high,
        queries.low * key1.low + queries.high * key1.high,
        queries.low * key2.low + queries.high * key2.high,
        queries.low * key3.low + queries.high * key3.high,
      );
    }
    let share = &teamSum[thread];
    (*share)[0] = products[0].xy;
    (*share)[1] = products[0].zw;
    (*share)[2] = products[1].xy;
    (*share)[3] = products[1].zw;
    (*share)[4] = products[2].xy;
    (*share)[5] = products[2].zw;
    (*share)[6] = products[3].xy;
    (*share)[7] = products[3].zw;
    workgroupBarrier();
    for (var i = thread; i < 2u * count; i += threads) {
      let own = i / 2u;
      let firstLane = own % (threads / lanes) * lanes;
      let column = own / (threads / lanes) * 2u + i % 2u;
      var product = vec2f(0.0);
      for (var other = 0u; other < lanes; other++) {
        product += teamSum[firstLane + other][column];
      }
      let standsFor = weightOf(run.first + own, attended);
      let score = product * (scale * tokenShare(run, run.first + own)) + log2(max(standsFor, 1e-30));
      blockScores[i] = select(vec2f(noScore), score, standsFor > 0.0);
    }
    workgroupBarrier();

    var highest = vec4f(noScore);
    for (var i = 0u; i < count; i++) {
      highest = max(highest, scoresOf(i));
    }
    for (var d = thread; d < headDim; d += threads) {
      var weight = vec4f(0.0);
      var sum = vec4f(0.0);
      for (var i = 0u; i < count; i += 4u) {
        // What is beyond the run repeats its last block and weighs nothing.
        let own = min(i + vec4u(0u, 1u, 2u, 3u), vec4u(count - 1u));
        let value0 = valueSum(sumsStart, run.first + own.x, d);
        let value1 = valueSum(sumsStart, run.first + own.y, d);
        let value2 = valueSum(sumsStart, run.first + own.z, d);
        let value3 = valueSum(sumsStart, run.first + own.w, d);
        let isBlock = select(vec4f(0.0), vec4f(1.0), i + vec4u(0u, 1u, 2u, 3u) < vec4u(count));
        let weight0 = exp2(scoresOf(own.x) - highest);
        let weight1 = exp2(scoresOf(own.y) - highest) * isBlock.y;
        let weight2 = exp2(scoresOf(own.z) - highest) * isBlock.z;
        let weight3 = exp2(scoresOf(own.w) - highest) * isBlock.w;
        weight += (weight0 + weight1) + (weight2 + weight3);
        sum += (weight0 * (value0 * tokenShare(run, run.first + own.x))
          + weight1 * (value1 * tokenShare(run, run.first + own.y)))
          + (weight2 * (value2 * tokenShare(run, run.first + own.z))
          + weight3 * (value3 * tokenShare(run, run.first + own.w)));
      }
      var tops = highest;
      let out = ((kvHead * heads + first) * dims.parts + dims.splits + slot) * rowFloats;
      // Heads move up to the first component one by one: nothing is indexed.
      for (var head = 0u; head < min(4u, heads - first); head++) {
        let row = out + head * dims.parts * rowFloats;
        partials[row + d] = sum.x;
        if (d == 0u) {
          partials[row + headDim] = tops.x;
          partials[row + headDim + 1u] = weight.x;
        }
        sum = sum.yzwx;
        tops = tops.yzwx;
        weight = weight.yzwx;
      }
    }
  }
}

// Adds eight dimensions of the current token; a block's first token replaces whatever an older sequence left there.
fn addOctet(at: u32, row: vec4u) {
  var sums = SumsOctet(lowHalf(row), highHalf(row));
  if (step.position % blockTokens != 0u) {
    let before = sumsOctet(at);
    sums = SumsOctet(before.low + sums.low, before.high + sums.high);
  }
  blockSums[at] = sums.low;
  blockSums[at + 1u] = sums.high;
}

// An octet of four heads' queries; `at`: where it begins for each, in vec4f.
fn queryOctet(at: vec4u) -> Octet {
  return Octet(
    transpose(mat4x4f(query[at.x], query[at.y], query[at.z], query[at.w])),
    transpose(mat4x4f(query[at.x + 1u], query[at.y + 1u], query[at.z + 1u], query[at.w + 1u])),
  );
}

fn sumsOctet(at: u32) -> SumsOctet {
  return SumsOctet(blockSums[at], blockSums[at + 1u]);
}

// Four heads' scores of a block of the run.
fn scoresOf(own: u32) -> vec4f {
  return vec4f(blockScores[2u * own], blockScores[2u * own + 1u]);
}

// Dimension d of a block's values.
fn valueSum(sumsStart: u32, block: u32, d: u32) -> f32 {
  return blockSums[sumsStart + (block * 2u + 1u) * (headDim / 4u) + d / 4u][d % 4u];
}
